package main

import (
	"strings"
	"testing"

	"github.com/google/go-jsonnet"
)

func evaluated(t *testing.T, files map[string]string, job jsonnetRequest) (string, error) {
	t.Helper()
	look := newLookups(func(asked question) (answer, error) {
		if content, ok := files[asked.Path]; ok {
			return answer{outcome: outcomeFile, content: []byte(content)}, nil
		}
		return answer{outcome: outcomeNothing}, nil
	})
	return renderJsonnet(&job, look, 1<<20)
}

func TestJsonnetIsEvaluatedAsByTheLibrary(t *testing.T) {
	main := `function(replicas) { a: std.extVar('env'), b: std.extVar('n') + 1, r: replicas, i: (import 'lib.libsonnet').x, s: importstr 'a.txt' }`
	files := map[string]string{
		"/app/all.jsonnet":   main,
		"/lib/lib.libsonnet": `{ x: (import 'deep/y.libsonnet') }`,
		"/old/lib.libsonnet": `{ x: 'old' }`,
		// Beside the file that imports it.
		"/lib/deep/y.libsonnet": `'deep'`,
		"/app/a.txt":            "text\n",
	}
	job := jsonnetRequest{
		Path:    "/app/all.jsonnet",
		ExtVars: []jsonnetValue{{Name: "env", Value: "prod"}, {Name: "n", Value: "2", Code: true}},
		TLAs:    []jsonnetValue{{Name: "replicas", Value: "3", Code: true}},
		Libs:    []string{"/app", "/old", "/lib"},
	}
	ours, err := evaluated(t, files, job)
	if err != nil {
		t.Fatal(err)
	}
	vm := jsonnet.MakeVM()
	vm.ExtVar("env", "prod")
	vm.ExtCode("n", "2")
	vm.TLACode("replicas", "3")
	vm.Importer(&jsonnet.MemoryImporter{Data: map[string]jsonnet.Contents{
		"lib.libsonnet":    jsonnet.MakeContents(files["/lib/lib.libsonnet"]),
		"deep/y.libsonnet": jsonnet.MakeContents(files["/lib/deep/y.libsonnet"]),
		"a.txt":            jsonnet.MakeContents(files["/app/a.txt"]),
	}})
	theirs, err := vm.EvaluateAnonymousSnippet("all.jsonnet", main)
	if err != nil {
		t.Fatal(err)
	}
	if ours != theirs {
		t.Errorf("ours %s, theirs %s", ours, theirs)
	}
}

func TestJsonnetThatFailsSaysWhere(t *testing.T) {
	for main, expected := range map[string]string{
		"{ a: }":                          "/app/all.jsonnet:1:6",
		"error 'no luck'":                 "RUNTIME ERROR: no luck",
		"import '../none.libsonnet'":      `couldn't open import "../none.libsonnet"`,
		"import '../../../../etc/passwd'": `couldn't open import`,
		"std.extVar('unset')":             "Undefined external variable: unset",
		"local f(x) = f(x + 1); f(0)":     "max stack frames exceeded",
	} {
		_, err := evaluated(t, map[string]string{"/app/all.jsonnet": main}, jsonnetRequest{Path: "/app/all.jsonnet"})
		if err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%s: %v, expected %s", main, err, expected)
		}
	}
}
