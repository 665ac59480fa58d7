package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// directory reads files from a disk into a repository.
func directory(t testing.TB, top string) repository {
	t.Helper()
	files := repository{}
	err := filepath.WalkDir(top, func(at string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(at)
		files["/"+filepath.ToSlash(at[len(top)+1:])] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The overlay has ten objects, and uses what overlays use most.
func BenchmarkKustomize(b *testing.B) {
	files := directory(b, filepath.Join("testdata", "overlay"))
	for name, job := range map[string]kustomizeRequest{
		"build":          {},
		"edit and build": {Edits: [][]string{{"set", "image", "nginx=nginx:1.29"}}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := renderOver(files, job); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHelm(b *testing.B) {
	files := repository{"values.yaml": "image: {tag: a}\n"}
	for at := range 10 {
		files[fmt.Sprintf("templates/%d.yaml", at)] = fmt.Sprintf(configMap, fmt.Sprint(at), "  a: {{ .Values.image.tag }}\n{{ toYaml .Values | indent 2 }}")
	}
	files = chartOf(files)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := renderChart(files, webRequest()); err != nil {
			b.Fatal(err)
		}
	}
}
