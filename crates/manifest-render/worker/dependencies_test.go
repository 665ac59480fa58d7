package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// archiveOf packs files below a directory, as charts are packed.
func archiveOf(t testing.TB, directory string, files map[string]string) string {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := tar.Header{Name: path.Join(directory, name), Mode: 0o644, Size: int64(len(files[name]))}
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

// subchart is a chart that says its version.
func subchart(name, version string) map[string]string {
	return map[string]string{
		"Chart.yaml":       fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version),
		"values.yaml":      "a: b\n",
		"templates/a.yaml": fmt.Sprintf(configMap, name, "  version: {{ .Chart.Version }}\n  a: {{ .Values.a }}"),
		"crds/a.yaml":      fmt.Sprintf("kind: %s # %s\n", name, version),
	}
}

func (r repository) withBelow(directory string, files map[string]string) repository {
	below := repository{}
	for name, content := range files {
		below[path.Join(directory, name)] = content
	}
	return r.with(below)
}

func dependingOn(entries string) repository {
	return chartOf(repository{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies:\n" + entries})
}

// Given dependencies must come out as if `helm dependency build` had put them into charts/.
func TestDependenciesAreLikeUpstream(t *testing.T) {
	common := func(version string) string { return archiveOf(t, "common", subchart("common", version)) }
	lib := subchart("lib", "0.3.0")
	lib[".helmignore"], lib["templates/old.bak.yaml"] = "*.bak.yaml\n", "{{ fail \"ignored\" }}"
	nested := subchart("lib", "0.3.0")
	nested["charts/inner-1.0.0.tgz"] = archiveOf(t, "inner", subchart("inner", "1.0.0"))
	one := "- {name: common, version: 1.x, repository: 'https://example.com'}\n"
	given := []dependency{{Name: "common", Path: "/.driftless/charts/0/common-1.2.3.tgz"}}
	archive := repository{"/.driftless/charts/0/common-1.2.3.tgz": common("1.2.3")}
	for name, test := range map[string]struct {
		files repository
		given []dependency
		// What `helm dependency build` leaves in charts/, and what it removes from there.
		built, gone map[string]string
	}{
		"archive":   {dependingOn(one).with(archive), given, map[string]string{"common-1.2.3.tgz": common("1.2.3")}, nil},
		"directory": {dependingOn("- {name: lib, version: 0.x, repository: 'file://../lib'}\n").withBelow("/lib", lib), []dependency{{"lib", "/lib"}}, map[string]string{"lib-0.3.0.tgz": archiveOf(t, "lib", subchart("lib", "0.3.0"))}, nil},
		"nested":    {dependingOn("- {name: lib, version: 0.x, repository: 'file://../lib'}\n").withBelow("/lib", nested), []dependency{{"lib", "/lib"}}, map[string]string{"lib-0.3.0.tgz": archiveOf(t, "lib", nested)}, nil},
		"same file": {dependingOn(one).with(archive).withBelow("/chart/charts", map[string]string{"common-1.2.3.tgz": "not an archive"}), given, map[string]string{"common-1.2.3.tgz": common("1.2.3")}, nil},
		"older archive": {dependingOn(one).with(archive).withBelow("/chart/charts", map[string]string{"common-1.0.0.tgz": common("1.0.0")}), given,
			map[string]string{"common-1.2.3.tgz": common("1.2.3")}, map[string]string{"common-1.0.0.tgz": ""}},
		"odd name": {dependingOn(one).with(archive).withBelow("/chart/charts", map[string]string{"vendored.tgz": common("1.0.0")}), given,
			map[string]string{"common-1.2.3.tgz": common("1.2.3")}, map[string]string{"vendored.tgz": ""}},
		"older directory": {dependingOn(one).with(archive).withBelow("/chart/charts/vendored", subchart("common", "1.0.0")), given,
			map[string]string{"common-1.2.3.tgz": common("1.2.3")}, map[string]string{"vendored/": ""}},
		"others stay": {dependingOn(one+"- {name: common-lib, version: 1.x}\n").with(archive).withBelow("/chart/charts/common-lib", subchart("common-lib", "1.0.0")).with(repository{"/chart/charts/_README.md": "text"}), given,
			map[string]string{"common-1.2.3.tgz": common("1.2.3")}, nil},
		"aliases": {dependingOn("- {name: common, version: 1.x, repository: 'https://example.com'}\n- {name: common, version: 2.x, alias: second, repository: 'https://example.com'}\n").with(archive).with(repository{"/.driftless/charts/1/common-2.0.0.tgz": common("2.0.0")}),
			append(slices.Clone(given), dependency{"common", "/.driftless/charts/1/common-2.0.0.tgz"}),
			map[string]string{"common-1.2.3.tgz": common("1.2.3"), "common-2.0.0.tgz": common("2.0.0")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			job := webRequest()
			job.Dependencies = test.given
			got, _, err := renderChart(test.files, job)
			if err != nil {
				t.Fatal(err)
			}
			built := maps.Clone(test.files)
			maps.DeleteFunc(built, func(at, _ string) bool {
				below, ok := strings.CutPrefix(at, "/chart/charts/")
				return ok && slices.ContainsFunc(slices.Collect(maps.Keys(test.gone)), func(gone string) bool {
					return below == gone || strings.HasSuffix(gone, "/") && strings.HasPrefix(below, gone)
				})
			})
			top := built.withBelow("/chart/charts", test.built).onDisk(t)
			job.Dependencies = nil
			job.Chart = filepath.Join(top, "chart")
			want, err := oracle(t, top, "helm", commandLine(job, "")...)
			if err != nil {
				t.Fatal(err)
			}
			checkText(t, sections(got), sections(want))
		})
	}
}

// sections orders what is printed: the command line gives subcharts no order.
func sections(printed string) string {
	parts := strings.SplitAfter(printed, "\n---\n")
	slices.Sort(parts)
	return strings.Join(parts, "")
}

func TestGivenDependenciesHaveAnOrder(t *testing.T) {
	files := dependingOn("- {name: a, version: 1.x}\n- {name: b, version: 1.x}\n- {name: c, version: 1.x}\n")
	job := webRequest()
	for _, name := range []string{"c", "a", "b"} {
		files = files.withBelow("/libs/"+name, subchart(name, "1.0.0"))
		job.Dependencies = append(job.Dependencies, dependency{name, "/libs/" + name})
	}
	first, _, err := renderChart(files, job)
	if err != nil || !strings.Contains(first, "kind: a # 1.0.0") {
		t.Fatal(first, err)
	}
	for range 8 {
		slices.Reverse(job.Dependencies)
		again, _, _ := renderChart(files, job)
		checkText(t, again, first)
	}
}

func TestReplacedDependenciesAreNotRead(t *testing.T) {
	var asked []question
	files := dependingOn("- {name: common, version: 1.x}\n").withBelow("/chart/charts/common", subchart("common", "1.0.0")).
		with(repository{"/chart/charts/common-1.1.0.tgz": "x", "/c/common-1.2.3.tgz": archiveOf(t, "common", subchart("common", "1.2.3"))})
	job := webRequest()
	job.Dependencies = []dependency{{"common", "/c/common-1.2.3.tgz"}}
	if _, _, err := renderHelm(&job, files.lookups(&asked), 1<<20); err != nil {
		t.Fatal(err)
	}
	want := "[{tree /chart} {read /chart/Chart.yaml} {read /c/common-1.2.3.tgz}]"
	if fmt.Sprint(asked) != want {
		t.Errorf("got  %v\nwant %s", asked, want)
	}
}

func TestDependencyFailures(t *testing.T) {
	two := dependingOn("- {name: common, version: 1.x}\n- {name: db, version: 1.x}\n").with(repository{
		"/c/common-1.2.3.tgz": archiveOf(t, "common", subchart("common", "1.2.3")), "/c/broken-1.0.0.tgz": "x",
		"/c/large-1.0.0.tgz": archiveOf(t, "large", map[string]string{"Chart.yaml": "", "big": strings.Repeat("a", 5<<20+1)}),
	})
	for _, test := range []struct {
		given dependency
		kind  failureKind
		want  string
	}{
		{dependency{"common", "/c/common-1.2.3.tgz"}, failDependencies, "found in Chart.yaml, but missing in charts/ directory: db"},
		{dependency{"common", "/c/z.tgz"}, failContent, `dependency common: path "/c/z.tgz" not found`},
		{dependency{"common", "/c/broken-1.0.0.tgz"}, failContent, "error unpacking subchart broken-1.0.0.tgz in web"},
		{dependency{"common", "/c/large-1.0.0.tgz"}, failContent, "larger than the maximum file size 5242880"},
	} {
		job := webRequest()
		job.Dependencies = []dependency{test.given}
		_, _, err := renderChart(two, job)
		if err == nil || !strings.Contains(err.Error(), test.want) || message(err).Kind != test.kind {
			t.Errorf("%v: %v", test.given, err)
		}
	}
}
