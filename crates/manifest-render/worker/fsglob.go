package main

import (
	"path"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Glob returns the paths that match a pattern, as written in the pattern; hidden files only to a pattern that names them.
func (m *mounted) Glob(pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	matches := m.glob(pattern)
	if filesys.IsHiddenFilePath(pattern) {
		return matches, nil
	}
	return filesys.RemoveHiddenFiles(matches), nil
}

func (m *mounted) glob(pattern string) []string {
	if !isPattern(pattern) {
		if m.Exists(pattern) {
			return []string{pattern}
		}
		return nil
	}
	directory, name := path.Split(pattern)
	parents := []string{""}
	if directory == "/" {
		parents = []string{directory}
	} else if directory != "" {
		parents = m.glob(strings.TrimSuffix(directory, "/"))
	}
	var matches []string
	for _, parent := range parents {
		names, err := m.ReadDir(parent)
		if err != nil {
			continue
		}
		for _, candidate := range names {
			if matched, _ := path.Match(name, candidate); matched {
				matches = append(matches, path.Join(parent, candidate))
			}
		}
	}
	return matches
}

func isPattern(name string) bool { return strings.ContainsAny(name, `*?[\`) }
