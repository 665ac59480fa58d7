package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/ignore"
)

var byteOrderMark = []byte{0xEF, 0xBB, 0xBF}

// A source is where the files of charts are.
type source interface {
	// read returns the content of a file.
	read(path string) ([]byte, outcome)
	// tree returns the paths of all files below a directory, relative to it.
	tree(path string) ([]string, outcome)
}

// chartFiles reads the files of a chart that .helmignore keeps, in the order in which Helm walks a directory. Dependencies that
// are given come last, in place of those of the same names.
func chartFiles(look source, directory string, given []dependency) ([]*loader.BufferedFile, error) {
	names, found := look.tree(directory)
	switch found {
	case outcomeNothing:
		return nil, fmt.Errorf("path %q not found", directory)
	case outcomeFile:
		return nil, fmt.Errorf("path %q is not a directory", directory)
	}
	rules, err := ignoreRules(look, directory, names)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return isIgnored(rules, name) })
	slices.SortFunc(names, compareWalk)
	files, err := readFiles(look, directory, withoutReplaced(look, directory, names, given))
	if err != nil {
		return nil, err
	}
	dependencies, err := dependencyFiles(look, given)
	return append(files, dependencies...), err
}

func readFiles(look source, directory string, names []string) ([]*loader.BufferedFile, error) {
	files := make([]*loader.BufferedFile, 0, len(names))
	for _, name := range names {
		at := path.Join(directory, name)
		content, found := look.read(at)
		if found != outcomeFile {
			return nil, fmt.Errorf("error reading %s: %w", name, pathError("open", at, found))
		}
		if int64(len(content)) > loader.MaxDecompressedFileSize {
			return nil, fmt.Errorf("chart file %q is larger than the maximum file size %d",
				path.Base(name), loader.MaxDecompressedFileSize)
		}
		files = append(files, &loader.BufferedFile{Name: name, Data: bytes.TrimPrefix(content, byteOrderMark)})
	}
	return files, nil
}

// loadChart makes a chart of its files.
func loadChart(files []*loader.BufferedFile) (*chart.Chart, error) {
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	orderDependencies(loaded)
	return loaded, nil
}

// orderDependencies gives subcharts an order: Helm takes them from a map, and their CRDs are printed as they come.
func orderDependencies(parent *chart.Chart) {
	dependencies := slices.Clone(parent.Dependencies())
	slices.SortStableFunc(dependencies, func(a, b *chart.Chart) int {
		return cmp.Or(strings.Compare(a.Name(), b.Name()), strings.Compare(a.Metadata.Version, b.Metadata.Version))
	})
	parent.SetDependencies(dependencies...)
	for _, dependency := range dependencies {
		orderDependencies(dependency)
	}
}

func ignoreRules(look source, directory string, names []string) (*ignore.Rules, error) {
	rules := ignore.Empty()
	if slices.Contains(names, ignore.HelmIgnore) {
		content, _ := look.read(path.Join(directory, ignore.HelmIgnore))
		parsed, err := ignore.Parse(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		rules = parsed
	}
	rules.AddDefaults()
	return rules, nil
}

// isIgnored tells whether rules leave out a file or a directory that it is in.
func isIgnored(rules *ignore.Rules, name string) bool {
	for at, char := range name {
		if char == '/' && rules.Ignore(name[:at], sort(fs.ModeDir)) {
			return true
		}
	}
	return rules.Ignore(name, sort(0))
}

// sort is all that rules want to know of a file.
func sort(mode fs.FileMode) fs.FileInfo { return fileInfo{mode: mode} }

// compareWalk orders paths by one name after the other: "a/b" comes before "a-b".
func compareWalk(a, b string) int {
	for {
		nameA, restA, moreA := strings.Cut(a, "/")
		nameB, restB, moreB := strings.Cut(b, "/")
		if nameA != nameB || !moreA || !moreB {
			return strings.Compare(nameA, nameB)
		}
		a, b = restA, restB
	}
}
