package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"sigs.k8s.io/kustomize/api/types"
)

// A pulledChart is a chart as `helm pull` finds it.
type pulledChart struct {
	Repo    string `json:"repo"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

func (p pulledChart) key() string { return p.Repo + "|" + p.Name + "|" + p.Version }

// charts are those that kustomizations inflate: where they are, and which are missing.
type charts struct {
	enabled bool
	given   map[string]string
	files   *mounted
	// Bytes that a chart may render to.
	outputBytes int
	// Those that must be pulled and are not given, in the order they were met.
	missing []pulledChart
	// A chart rendered to something else the second time.
	unstable bool
	// The first failure that is no fault of a chart.
	failed *failure
}

// inflated are the charts of the kustomization at hand.
var inflated *charts

// serve makes the charts available to the generators until the returned function is called.
func (c *charts) serve() func() {
	inflated = c
	return func() { inflated = nil }
}

// chartHome returns the directory in which the directory of a chart is looked for.
func chartHome(root string, globals types.HelmGlobals, chart types.HelmChart) string {
	home := globals.ChartHome
	if home == "" {
		home = types.HelmDefaultHome
	}
	if !path.IsAbs(home) {
		home = path.Join(root, home)
	}
	if chart.Version != "" && chart.Repo != "" {
		return path.Join(home, chart.Name+"-"+chart.Version)
	}
	return home
}

// provide sees to it that a chart is at a path: it is there, or its archive is given. It is false where the chart is missing.
func (c *charts) provide(root, at string, chart types.HelmChart) (bool, error) {
	if clone := cloneOf(root); clone != "" && !strings.HasPrefix(at, clone+"/") {
		return false, fmt.Errorf("security; charts of kustomizations found in cloned git repos must be within the repo, "+
			"but chart '%s' is outside '%s'", at, clone)
	}
	if _, found := c.files.tree(at); found == outcomeDirectory {
		return true, nil
	}
	if chart.Repo == "" {
		return false, fmt.Errorf("no repo specified for pull, no chart found at '%s'", at)
	}
	archive, given := c.pull(chart)
	if !given {
		return false, nil
	}
	if err := c.unpack(path.Dir(at), archive); err != nil {
		return false, fmt.Errorf("chart %s of %s: %w", chart.Name, chart.Repo, err)
	}
	return true, nil
}

// pull returns where the archive of a chart is; one that is not given is missing.
func (c *charts) pull(chart types.HelmChart) (string, bool) {
	wanted := pulledChart{Repo: chart.Repo, Name: chart.Name, Version: chart.Version}
	if wanted.Version == "" && chart.Devel {
		wanted.Version = ">0.0.0-0"
	}
	at, given := c.given[wanted.key()]
	if !given && !slices.Contains(c.missing, wanted) {
		c.missing = append(c.missing, wanted)
	}
	return at, given
}

// unpack puts the files of an archive into a directory in memory, as `helm pull --untar` does.
func (c *charts) unpack(home, archive string) error {
	content, found := c.files.look.read(archive)
	if found != outcomeFile {
		return pathError("open", archive, found)
	}
	files, err := loader.LoadArchiveFiles(bytes.NewReader(content))
	if err != nil {
		return err
	}
	name := nameInFiles(files)
	if name == "" {
		return errors.New("chart name not specified")
	}
	if name == "." || name == ".." || name != path.Base(name) {
		return fmt.Errorf("chart name %q is not allowed", name)
	}
	top := path.Join(home, name)
	if err := c.files.MkdirAll(top); err != nil {
		return err
	}
	for _, file := range files {
		at := path.Join(top, file.Name)
		c.files.files[at] = file.Data
		for above := path.Dir(at); above != top; above = path.Dir(above) {
			c.files.directories[above] = true
		}
	}
	return nil
}

// render returns what a chart renders to.
func (c *charts) render(job *helmRequest, from source) (string, error) {
	text, unstable, err := renderHelm(job, from, c.outputBytes)
	c.unstable = c.unstable || unstable
	var known *failure
	if errors.As(err, &known) && known.kind == failLimit && c.failed == nil {
		c.failed = known
	}
	if known != nil {
		// Nobody builds the dependencies of these charts.
		return "", errors.New(known.message)
	}
	return text, err
}

// survey looks through a kustomization that was not built for charts that are missing.
func (c *charts) survey(directory string, fields map[string]json.RawMessage) {
	content, err := json.Marshal(fields)
	var read types.Kustomization
	if !c.enabled || err != nil || json.Unmarshal(content, &read) != nil {
		return
	}
	read.FixKustomization()
	var globals types.HelmGlobals
	if read.HelmGlobals != nil {
		globals = *read.HelmGlobals
	}
	for _, chart := range read.HelmCharts {
		if chart.Repo == "" || chart.Name == "" {
			continue
		}
		if _, found := c.files.tree(path.Join(chartHome(directory, globals, chart), chart.Name)); found != outcomeDirectory {
			c.pull(chart)
		}
	}
}

// withFile is a source that has one more file.
type withFile struct {
	source
	name    string
	content []byte
}

func (w withFile) read(name string) ([]byte, outcome) {
	if name == w.name {
		return w.content, outcomeFile
	}
	return w.source.read(name)
}
