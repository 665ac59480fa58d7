package main

import (
	"bytes"
	"io/fs"
	"path"
	"syscall"
	"time"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Open opens a file for reading.
func (m *mounted) Open(name string) (filesys.File, error) {
	info, err := m.info(name)
	if err != nil {
		return nil, err
	}
	opened := &openFile{info: info}
	if !info.IsDir() {
		content, err := m.ReadFile(name)
		if err != nil {
			return nil, err
		}
		opened.content = bytes.NewReader(content)
	}
	return opened, nil
}

// Create makes an empty file in memory and opens it for writing.
func (m *mounted) Create(name string) (filesys.File, error) {
	if err := m.WriteFile(name, nil); err != nil {
		return nil, err
	}
	return &createdFile{in: m, name: m.abs(name)}, nil
}

func (m *mounted) info(name string) (fs.FileInfo, error) {
	at := m.abs(name)
	switch m.kind(at) {
	case outcomeDirectory:
		return fileInfo{name: path.Base(at), mode: fs.ModeDir | 0o755}, nil
	case outcomeFile:
		return fileInfo{name: path.Base(at), mode: 0o644, content: func() []byte {
			content, _ := m.ReadFile(at)
			return content
		}}, nil
	}
	return nil, pathError("lstat", name, outcomeNothing)
}

type openFile struct {
	info    fs.FileInfo
	content *bytes.Reader
}

func (f *openFile) Read(into []byte) (int, error) {
	if f.content == nil {
		return 0, pathError("read", f.info.Name(), outcomeDirectory)
	}
	return f.content.Read(into)
}

func (f *openFile) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: f.info.Name(), Err: syscall.EBADF}
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type createdFile struct {
	in   *mounted
	name string
}

func (f *createdFile) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.name, Err: syscall.EBADF}
}

func (f *createdFile) Write(content []byte) (int, error) {
	f.in.files[f.name] = append(f.in.files[f.name], content...)
	return len(content), nil
}

func (f *createdFile) Stat() (fs.FileInfo, error) { return f.in.info(f.name) }
func (f *createdFile) Close() error               { return nil }

// A fileInfo tells what is known of a file without reading it; only its size has to.
type fileInfo struct {
	name    string
	mode    fs.FileMode
	content func() []byte
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }

func (i fileInfo) Size() int64 {
	if i.content == nil {
		return 0
	}
	return int64(len(i.content()))
}
