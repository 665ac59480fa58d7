package main

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"sigs.k8s.io/yaml"
)

const (
	chartMetadata   = "Chart.yaml"
	dependenciesDir = "charts/"
	archiveSuffix   = ".tgz"
)

// A dependency is a chart that takes the place of what another has under its name in `charts/`.
type dependency struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

// dependencyFiles returns what charts that are given add to the files of the one that depends on them: an archive is one file,
// a chart in a directory is all that it has.
func dependencyFiles(look source, given []dependency) ([]*loader.BufferedFile, error) {
	byName := map[string][]*loader.BufferedFile{}
	for at, one := range given {
		content, found := look.read(one.Path)
		switch found {
		case outcomeNothing:
			return nil, fmt.Errorf("dependency %s: path %q not found", one.Name, one.Path)
		case outcomeFile:
			name := dependenciesDir + strings.TrimSuffix(path.Base(one.Path), archiveSuffix) + archiveSuffix
			byName[name] = []*loader.BufferedFile{{Name: name, Data: content}}
		default:
			files, err := chartFiles(look, one.Path, nil)
			if err != nil {
				return nil, fmt.Errorf("dependency %s: %w", one.Name, err)
			}
			name := dependenciesDir + one.Name
			if _, taken := byName[name]; taken {
				// Two versions of a chart may be wanted, under different aliases.
				name = fmt.Sprintf("%s-%d", name, at)
			}
			for _, file := range files {
				file.Name = name + "/" + file.Name
			}
			byName[name] = files
		}
	}
	var all []*loader.BufferedFile
	for _, files := range byName {
		all = append(all, files...)
	}
	slices.SortFunc(all, func(a, b *loader.BufferedFile) int { return compareWalk(a.Name, b.Name) })
	return all, nil
}

// withoutReplaced returns the names of the files of a chart that are not of a dependency that is given.
func withoutReplaced(look source, directory string, names []string, given []dependency) []string {
	if len(given) == 0 {
		return names
	}
	replaced := map[string]bool{}
	for _, name := range names {
		below, ok := strings.CutPrefix(name, dependenciesDir)
		entry, inside, isDirectory := strings.Cut(below, "/")
		if !ok || replaced[entry] {
			continue
		}
		at := path.Join(directory, name)
		replaced[entry] = slices.ContainsFunc(given, func(one dependency) bool {
			if !isDirectory {
				return isArchiveOf(look, at, one.Name)
			}
			return entry == one.Name || inside == chartMetadata && nameInFile(look, at) == one.Name
		})
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		below, ok := strings.CutPrefix(name, dependenciesDir)
		entry, _, _ := strings.Cut(below, "/")
		return ok && replaced[entry]
	})
}

// isArchiveOf tells whether an archive is of the chart with a name, by the name of the file as Helm gives it or else by its content.
func isArchiveOf(look source, file, name string) bool {
	base, ok := strings.CutSuffix(path.Base(file), archiveSuffix)
	if !ok {
		return false
	}
	if version, ok := strings.CutPrefix(base, name+"-"); ok {
		if _, err := semver.StrictNewVersion(version); err == nil {
			return true
		}
	}
	content, _ := look.read(file)
	files, err := loader.LoadArchiveFiles(bytes.NewReader(content))
	// One that does not load is reported where it is loaded.
	return err == nil && nameInFiles(files) == name
}

// nameInFiles returns the name that a chart gives itself, or nothing.
func nameInFiles(files []*loader.BufferedFile) string {
	name := ""
	for _, file := range files {
		if file.Name == chartMetadata {
			name = nameInMetadata(file.Data)
		}
	}
	return name
}

func nameInFile(look source, file string) string {
	content, _ := look.read(file)
	return nameInMetadata(content)
}

func nameInMetadata(content []byte) string {
	var metadata chart.Metadata
	if err := yaml.Unmarshal(content, &metadata); err != nil {
		return ""
	}
	return metadata.Name
}
