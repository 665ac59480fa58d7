package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// renderKustomize returns what `kustomize build` prints after the edits and patches of a request, and whether a chart in it renders
// to something else the second time.
func renderKustomize(job *kustomizeRequest, look *lookups, outputBytes int) (string, bool, error) {
	files := newMounted(look, job.Path)
	remotes := newRemotes(job.Remotes, look)
	charts := &charts{enabled: job.Helm != nil, given: job.Charts, files: files, outputBytes: outputBytes}
	defer remotes.serve()()
	defer charts.serve()()
	// Where there is no directory, the build says so.
	if files.IsDir(job.Path) {
		if err := runEdits(files, remotes, job.Edits); err != nil {
			return "", false, err
		}
		if err := appendPatches(files, job.Patches); err != nil {
			return "", false, err
		}
	}
	built, err := build(files, remotes, charts, job)
	if isIncomplete(remotes, charts) {
		return "", false, incomplete(files, remotes, charts, job.Path)
	}
	if remotes.escape != nil {
		return "", false, remotes.escape
	}
	if charts.failed != nil {
		return "", false, charts.failed
	}
	if err != nil {
		return "", false, err
	}
	text, err := printed(built, outputBytes)
	return text, charts.unstable, err
}

func isIncomplete(remotes *remotes, charts *charts) bool {
	return len(remotes.missing) > 0 || len(charts.missing) > 0
}

// incomplete returns the failure of a build that lacks remotes or charts. It lists all that are known: what remotes have in them
// comes up when they are there.
func incomplete(files *mounted, remotes *remotes, charts *charts, directory string) error {
	remotes.walk(files, directory, charts, map[string]bool{})
	if len(remotes.missing) > 0 {
		return &failure{
			kind:    failRemotes,
			message: "remote resources must be fetched first: " + strings.Join(remotes.missing, ", "),
			remotes: remotes.missing, charts: charts.missing,
		}
	}
	names := make([]string, 0, len(charts.missing))
	for _, missing := range charts.missing {
		names = append(names, strings.TrimSpace(missing.Name+" "+missing.Version)+" of "+missing.Repo)
	}
	return &failure{
		kind:    failCharts,
		message: "charts must be fetched first: " + strings.Join(names, ", "),
		charts:  charts.missing,
	}
}

// build runs kustomize with the options of `kustomize build` without flags, or with `--enable-helm`.
func build(files *mounted, remotes *remotes, charts *charts, job *kustomizeRequest) (resmap.ResMap, error) {
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionUnspecified
	if job.LoadRestrictions == "none" {
		options.LoadRestrictions = types.LoadRestrictionsNone
	}
	if job.Helm != nil {
		// The command is never started.
		options.PluginConfig.HelmConfig = types.HelmConfig{
			Enabled: true, Command: "helm", KubeVersion: job.Helm.KubeVersion, ApiVersions: slices.Clone(job.Helm.APIVersions),
		}
	}
	hasOwnSchema := false
	files.onRead = func(path string, content []byte) []byte {
		if !isKustomization(path) {
			return content
		}
		hasOwnSchema = hasOwnSchema || bytes.Contains(bytes.ToLower(content), []byte("openapi"))
		return remotes.substitute(path, content)
	}
	defer func() { files.onRead = nil }()

	built, err := run(options, files, job.Path)
	if !hasOwnSchema {
		return built, err
	}
	// The schema is global to the process and parsed once; a kustomization that brings its own must find none, as in a
	// process of its own, and leave none behind. What was read is not asked again.
	defer openapi.ResetOpenAPI()
	if isIncomplete(remotes, charts) {
		return built, err
	}
	openapi.ResetOpenAPI()
	return run(options, files, job.Path)
}

// run builds; a schema of the user's that does not parse is an error and not a panic.
func run(options *krusty.Options, files *mounted, path string) (built resmap.ResMap, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			if text := fmt.Sprint(panicked); strings.HasPrefix(text, "invalid schema file") {
				built, err = nil, fmt.Errorf("openapi: %s", text)
				return
			}
			panic(panicked)
		}
	}()
	return krusty.MakeKustomizer(options).Run(files, path)
}

// printed returns resources as `kustomize build` prints them.
func printed(built resmap.ResMap, outputBytes int) (string, error) {
	out := &output{limit: outputBytes}
	for at, resource := range built.Resources() {
		text, err := resourceYAML(resource)
		if err != nil {
			return "", err
		}
		if at > 0 {
			if _, err := out.WriteString("---\n"); err != nil {
				return "", err
			}
		}
		if _, err := out.Write(text); err != nil {
			return "", err
		}
	}
	return out.finished()
}
