package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

var _ filesys.FileSystem = (*mounted)(nil)

// mounted is a file system of what look-ups find, below what was written since. It never touches a disk.
type mounted struct {
	look *lookups
	// Relative paths start here.
	cwd string
	// What was written, by absolute path.
	files       map[string][]byte
	directories map[string]bool
	// onRead sees each file before a reader does and may put something else in its place; may be nil.
	onRead func(path string, content []byte) []byte
}

func newMounted(look *lookups, cwd string) *mounted {
	return &mounted{look: look, cwd: cwd, files: map[string][]byte{}, directories: map[string]bool{}}
}

func (m *mounted) abs(name string) string {
	if !path.IsAbs(name) {
		name = path.Join(m.cwd, name)
	}
	return path.Clean(name)
}

// kind tells what is at an absolute path.
func (m *mounted) kind(name string) outcome {
	if _, written := m.files[name]; written {
		return outcomeFile
	}
	if m.directories[name] {
		return outcomeDirectory
	}
	return m.look.stat(name)
}

// read returns the content of a file as it is.
func (m *mounted) read(name string) ([]byte, outcome) {
	if content, written := m.files[name]; written {
		return content, outcomeFile
	}
	if m.directories[name] {
		return nil, outcomeDirectory
	}
	return m.look.read(name)
}

// tree returns the paths of all files below a directory, relative to it.
func (m *mounted) tree(name string) ([]string, outcome) {
	var names []string
	found := outcomeDirectory
	// What was made in memory was not there before.
	if !m.directories[name] {
		names, found = m.look.tree(name)
	}
	if found != outcomeDirectory {
		return nil, found
	}
	for at := range m.files {
		if below, ok := strings.CutPrefix(at, strings.TrimSuffix(name, "/")+"/"); ok {
			names = append(names, below)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), found
}

// Exists tells whether something is at a path.
func (m *mounted) Exists(name string) bool { return m.kind(m.abs(name)) != outcomeNothing }

// IsDir tells whether a directory is at a path.
func (m *mounted) IsDir(name string) bool { return m.kind(m.abs(name)) == outcomeDirectory }

// ReadFile returns the content of a file.
func (m *mounted) ReadFile(name string) ([]byte, error) {
	name = m.abs(name)
	content, written := m.files[name]
	if !written {
		read, found := m.look.read(name)
		if found == outcomeDirectory || m.directories[name] {
			return nil, pathError("read", name, outcomeDirectory)
		}
		if found != outcomeFile {
			return nil, pathError("open", name, found)
		}
		content = read
	}
	if m.onRead != nil {
		content = m.onRead(name, content)
	}
	return content, nil
}

// CleanedAbs splits a path into the directory and the name of a file; the name of a directory is empty.
func (m *mounted) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	at := m.abs(name)
	// Who asks this reads the file next: a read tells as much as a stat and saves asking twice.
	if _, written := m.files[at]; !written && !m.directories[at] && at != "/" {
		m.look.read(at)
	}
	found := m.kind(at)
	// As on disk: what is beside a file or below a directory is so where links lead to.
	at = m.look.real(at)
	switch found {
	case outcomeDirectory:
		return filesys.ConfirmedDir(at), "", nil
	case outcomeFile:
		return filesys.ConfirmedDir(path.Dir(at)), path.Base(at), nil
	}
	missing := pathError("lstat", at, outcomeNothing)
	return "", "", fmt.Errorf("evalsymlink failure on '%s' : %w", name, missing)
}

// WriteFile keeps the content of a file in memory.
func (m *mounted) WriteFile(name string, content []byte) error {
	name = m.abs(name)
	if m.kind(name) == outcomeDirectory {
		return pathError("open", name, outcomeDirectory)
	}
	if m.kind(path.Dir(name)) != outcomeDirectory {
		return pathError("open", name, outcomeNothing)
	}
	m.files[name] = slices.Clone(content)
	return nil
}

// Mkdir makes a directory in memory.
func (m *mounted) Mkdir(name string) error {
	name = m.abs(name)
	if m.kind(name) != outcomeNothing {
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.EEXIST}
	}
	if m.kind(path.Dir(name)) != outcomeDirectory {
		return pathError("mkdir", name, outcomeNothing)
	}
	m.directories[name] = true
	return nil
}

// MkdirAll makes a directory with those above it in memory.
func (m *mounted) MkdirAll(name string) error {
	name = m.abs(name)
	switch m.kind(name) {
	case outcomeDirectory:
		return nil
	case outcomeFile:
		return pathError("mkdir", name, outcomeFile)
	}
	if err := m.MkdirAll(path.Dir(name)); err != nil {
		return err
	}
	return m.Mkdir(name)
}

// RemoveAll removes what was written; what look-ups find stays.
func (m *mounted) RemoveAll(name string) error {
	name = m.abs(name)
	below := strings.TrimSuffix(name, "/") + "/"
	is := func(at string) bool { return at == name || strings.HasPrefix(at, below) }
	for at := range m.files {
		if is(at) {
			delete(m.files, at)
		}
	}
	for at := range m.directories {
		if is(at) {
			delete(m.directories, at)
		}
	}
	return nil
}

// ReadDir returns the names in a directory, ordered.
func (m *mounted) ReadDir(name string) ([]string, error) {
	name = m.abs(name)
	entries, found := m.look.list(name)
	if found == outcomeNothing && m.directories[name] {
		found = outcomeDirectory
	}
	if found != outcomeDirectory {
		return nil, pathError("open", name, found)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name)
	}
	for at := range m.files {
		if path.Dir(at) == name {
			names = append(names, path.Base(at))
		}
	}
	for at := range m.directories {
		if path.Dir(at) == name {
			names = append(names, path.Base(at))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Walk calls a function for each file and directory at and below a path, as filepath.Walk does.
func (m *mounted) Walk(name string, visit filepath.WalkFunc) error {
	info, err := m.info(name)
	if err != nil {
		err = visit(name, nil, err)
	} else {
		err = m.walk(name, info, visit)
	}
	if errors.Is(err, filepath.SkipDir) || errors.Is(err, filepath.SkipAll) {
		return nil
	}
	return err
}

func (m *mounted) walk(name string, info fs.FileInfo, visit filepath.WalkFunc) error {
	if !info.IsDir() {
		return visit(name, info, nil)
	}
	names, listErr := m.ReadDir(name)
	if err := visit(name, info, listErr); err != nil || listErr != nil {
		return err
	}
	for _, child := range names {
		below := filepath.Join(name, child)
		info, err := m.info(below)
		if err != nil {
			err = visit(below, nil, err)
		} else {
			err = m.walk(below, info, visit)
		}
		if err != nil && (!errors.Is(err, filepath.SkipDir) || info == nil || !info.IsDir()) {
			return err
		}
	}
	return nil
}
