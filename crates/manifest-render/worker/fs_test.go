package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Each step is run on the mounted files and on a disk; what they give must be the same.
func TestMountedIsLikeADisk(t *testing.T) {
	files := repository{
		"/app/base/kustomization.yaml": "resources: []\n",
		"/app/base/a.yaml":             "a",
		"/app/base/.hidden.yaml":       "h",
		"/app/base/sub/b.yaml":         "b",
		"/app/over/c.yaml":             "c",
	}
	steps := map[string]func(filesys.FileSystem) []any{
		"read":           func(f filesys.FileSystem) []any { return read(f, "a.yaml") },
		"read up":        func(f filesys.FileSystem) []any { return read(f, "../over/./c.yaml") },
		"read nothing":   func(f filesys.FileSystem) []any { return read(f, "z.yaml") },
		"read directory": func(f filesys.FileSystem) []any { return read(f, "sub") },
		"exists":         func(f filesys.FileSystem) []any { return []any{f.Exists("a.yaml"), f.Exists("sub"), f.Exists("z")} },
		"is directory": func(f filesys.FileSystem) []any {
			return []any{f.IsDir("a.yaml"), f.IsDir("sub"), f.IsDir("z"), f.IsDir(".")}
		},
		"list":             func(f filesys.FileSystem) []any { return pair(f.ReadDir(".")) },
		"list file":        func(f filesys.FileSystem) []any { return failing(f.ReadDir("a.yaml")) },
		"list nothing":     func(f filesys.FileSystem) []any { return pair(f.ReadDir("z")) },
		"clean file":       func(f filesys.FileSystem) []any { return cleaned(f, "./sub/../a.yaml") },
		"clean directory":  func(f filesys.FileSystem) []any { return cleaned(f, "../over/") },
		"clean nothing":    func(f filesys.FileSystem) []any { return cleaned(f, "z.yaml") },
		"glob":             func(f filesys.FileSystem) []any { return pair(f.Glob("*.yaml")) },
		"glob hidden":      func(f filesys.FileSystem) []any { return pair(f.Glob(".h*")) },
		"glob up":          func(f filesys.FileSystem) []any { return pair(f.Glob("../o*/*.yaml")) },
		"glob directories": func(f filesys.FileSystem) []any { return pair(f.Glob("../*/sub")) },
		"glob plain":       func(f filesys.FileSystem) []any { return pair(f.Glob("sub/b.yaml")) },
		"glob no match":    func(f filesys.FileSystem) []any { return pair(f.Glob("*.json")) },
		"glob malformed":   func(f filesys.FileSystem) []any { return pair(f.Glob("[")) },
		"walk":             func(f filesys.FileSystem) []any { return walked(f, "..", nil) },
		"walk file":        func(f filesys.FileSystem) []any { return walked(f, "a.yaml", nil) },
		"walk nothing":     func(f filesys.FileSystem) []any { return walked(f, "z", nil) },
		"walk skip": func(f filesys.FileSystem) []any {
			return walked(f, "..", map[string]error{"../base/sub": fs.SkipDir, "../over/c.yaml": fs.SkipDir})
		},
		"walk skip rest": func(f filesys.FileSystem) []any {
			return walked(f, "..", map[string]error{"../base/a.yaml": fs.SkipAll})
		},
		"open": func(f filesys.FileSystem) []any {
			file, err := f.Open("a.yaml")
			if err != nil {
				return []any{err}
			}
			content, err := io.ReadAll(file)
			info, _ := file.Stat()
			return []any{string(content), err, info.Name(), info.Size(), info.IsDir(), info.Mode().IsRegular(), file.Close()}
		},
		"write": func(f filesys.FileSystem) []any {
			err := f.WriteFile("w.yaml", []byte("w"))
			return append(read(f, "w.yaml"), err, f.Exists("w.yaml"), fmt.Sprint(pair(f.Glob("w*"))))
		},
		"write over": func(f filesys.FileSystem) []any {
			err := f.WriteFile("a.yaml", []byte("changed"))
			return append(read(f, "../base/a.yaml"), err, fmt.Sprint(pair(f.ReadDir("."))))
		},
		"write nowhere":   func(f filesys.FileSystem) []any { return []any{f.WriteFile("z/w.yaml", nil)} },
		"write directory": func(f filesys.FileSystem) []any { return []any{f.WriteFile("sub", nil)} },
		"make directory": func(f filesys.FileSystem) []any {
			return []any{f.Mkdir("new"), f.IsDir("new"), fmt.Sprint(pair(f.ReadDir("new"))), f.Mkdir("new"), f.Mkdir("z/z"), f.Mkdir("a.yaml")}
		},
		"make directories": func(f filesys.FileSystem) []any {
			return []any{f.MkdirAll("x/y"), f.IsDir("x"), f.IsDir("x/y"), f.MkdirAll("x/y"), f.MkdirAll("a.yaml") != nil}
		},
		"create and remove": func(f filesys.FileSystem) []any {
			file, err := f.Create("new.yaml")
			if err != nil {
				return []any{err}
			}
			_, err = io.WriteString(file, "one")
			_, _ = io.WriteString(file, "two")
			content := read(f, "new.yaml")
			return append(content, err, file.Close(), f.RemoveAll("new.yaml"), f.Exists("new.yaml"))
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			top := files.onDisk(t)
			t.Chdir(filepath.Join(top, "app/base"))
			want := strings.ReplaceAll(fmt.Sprint(step(filesys.MakeFsOnDisk())), top, "")
			// The disk names a file as it was asked for; only what is absolute must be found.
			got := strings.ReplaceAll(fmt.Sprint(step(newMounted(files.lookups(nil), "/app/base"))), "/app/base/", "")
			if got != strings.ReplaceAll(want, "/app/base/", "") {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestCleaningAsksOnce(t *testing.T) {
	var asked []question
	files := newMounted(repository{"/a/b.yaml": "b"}.lookups(&asked), "/a")
	if _, _, err := files.CleanedAbs("b.yaml"); err != nil {
		t.Fatal(err)
	}
	if _, err := files.ReadFile("b.yaml"); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 {
		t.Errorf("asked %v", asked)
	}
}

func read(f filesys.FileSystem, name string) []any {
	content, err := f.ReadFile(name)
	return []any{string(content), err}
}

func pair(names []string, err error) []any { return []any{names, err} }

func failing(_ []string, err error) []any { return []any{err != nil} }

func cleaned(f filesys.FileSystem, name string) []any {
	directory, file, err := f.CleanedAbs(name)
	return []any{directory + "/", file, err}
}

func walked(f filesys.FileSystem, top string, answers map[string]error) []any {
	var seen []string
	err := f.Walk(top, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			seen = append(seen, "failed "+name)
			return err
		}
		seen = append(seen, fmt.Sprint(name, info.IsDir()))
		return answers[name]
	})
	return []any{seen, err}
}
