package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-%s\n  namespace: {{ .Release.Namespace }}\ndata:\n%s\n"

func chartOf(files repository) repository {
	all := repository{"/chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n"}
	for name, content := range files {
		all["/chart/"+name] = content
	}
	return all
}

func webRequest() helmRequest {
	return helmRequest{Chart: "/chart", ReleaseName: "web", Namespace: "shop", KubeVersion: "v1.36.3"}
}

func renderChart(files repository, job helmRequest) (string, bool, error) {
	return renderHelm(&job, files.lookups(nil), 1<<20)
}

// commandLine returns the arguments of `helm template` for a request.
func commandLine(job helmRequest, top string) []string {
	arguments := []string{"template", filepath.Join(top, job.Chart), "--name-template", job.ReleaseName,
		"--namespace", job.Namespace, "--kube-version", job.KubeVersion}
	add := func(flag string, values ...string) {
		for _, value := range values {
			arguments = append(arguments, flag, value)
		}
	}
	add("--api-versions", job.APIVersions...)
	for _, file := range job.ValueFiles {
		add("--values", filepath.Join(top, file))
	}
	for _, parameter := range job.Parameters {
		flag := "--set"
		if parameter.String {
			flag = "--set-string"
		}
		add(flag, parameter.Name+"="+parameter.Value)
	}
	for _, file := range job.FileParameters {
		add("--set-file", file.Name+"="+escapeSet.Replace(filepath.Join(top, file.Path)))
	}
	for flag, set := range map[string]bool{
		"--include-crds": !job.SkipCRDs, "--skip-tests": job.SkipTests, "--skip-schema-validation": job.SkipSchemaValidation,
	} {
		if set {
			arguments = append(arguments, flag)
		}
	}
	return arguments
}

// The output must be that of `helm template`.
func TestHelmIsLikeUpstream(t *testing.T) {
	values := fmt.Sprintf(configMap, "values", "{{ toYaml .Values | indent 2 }}")
	dependency := "dependencies: [{name: sub, version: 0.1.0, repository: ''}]\n"
	sub := repository{
		"charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 0.1.0\n", "charts/sub/values.yaml": "a: sub\n",
		"charts/sub/templates/a.yaml": fmt.Sprintf(configMap, "sub", "  a: {{ .Values.a }}"),
		"charts/sub/crds/a.yaml":      "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: sub}\n",
		"Chart.yaml":                  "apiVersion: v2\nname: web\nversion: 0.1.0\n" + dependency,
	}
	for name, test := range map[string]struct {
		files  repository
		change func(*helmRequest)
	}{
		"plain": {repository{"templates/a.yaml": fmt.Sprintf(configMap, "a", "  a: b"), "templates/NOTES.txt": "notes {{ .Release.Name }}"}, nil},
		"order and whitespace": {repository{
			"templates/b.yaml": "\n\n---\n# first\napiVersion: v1\nkind: Service\nmetadata: {name: b}\n---\n\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n  \n",
			"templates/a.yaml": "{{- if false }}\nx: y\n{{- end }}\n", "templates/_h.tpl": `{{ define "x" }}y{{ end }}`,
		}, nil},
		"hooks and tests": {repository{
			"templates/hook.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: h, annotations: {helm.sh/hook: \"pre-install\", helm.sh/hook-weight: \"-1\"}}\n",
			"templates/test.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
		}, nil},
		"skip tests": {repository{
			"templates/hook.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: h, annotations: {helm.sh/hook: post-install}}\n",
			"templates/test.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n",
		}, func(job *helmRequest) { job.SkipTests = true }},
		"crds":      {repository{"crds/b/z.yaml": "kind: Z", "crds/b-a.yaml": "kind: BA", "crds/a.yaml": "kind: A\n"}, nil},
		"skip crds": {repository{"crds/a.yaml": "kind: A\n"}, func(job *helmRequest) { job.SkipCRDs = true }},
		"values": {repository{"values.yaml": "a: {b: 1, c: 2}\nlist: [1]\nlarge: 12345678901234567890\nfloat: 1.0\n", "templates/a.yaml": values,
			"one.yaml": "a: {b: 2}\nlist: [2, 3]\n", "two.yaml": "a: {b: 3, d: null}\nx: \"1,2\"\n", "files/with,comma.txt": "text\n"},
			func(job *helmRequest) {
				job.ValueFiles = []string{"/chart/one.yaml", "/chart/two.yaml"}
				job.Parameters = []parameter{{"s", "1", true}, {"a.b", "4", false}, {"s", "2", false}, {"list[1]", "x", false}, {"escaped", `a\,b`, false}, {"o", "{a,b}", false}}
				job.FileParameters = []fileParameter{{"file", "/chart/files/with,comma.txt"}}
			}},
		"capabilities": {repository{"templates/a.yaml": fmt.Sprintf(configMap, "c",
			"  a: {{ .Capabilities.KubeVersion }} {{ .Capabilities.KubeVersion.Minor }} {{ .Capabilities.APIVersions.Has \"example.com/v1/A\" }} {{ .Capabilities.APIVersions.Has \"apps/v1\" }}"),
		}, func(job *helmRequest) { job.KubeVersion = "1.30"; job.APIVersions = []string{"example.com/v1/A"} }},
		"subchart":          {sub, func(job *helmRequest) { job.Parameters = []parameter{{"sub.a", "parent", false}} }},
		"name":              {repository{"templates/a.yaml": fmt.Sprintf(configMap, "a", "  a: b")}, func(job *helmRequest) { job.ReleaseName = `{{ "x" | upper | lower }}` }},
		"files":             {repository{"templates/a.yaml": fmt.Sprintf(configMap, "f", "{{ (.Files.Glob \"conf/*\").AsConfig | indent 2 }}"), "conf/a": "a\n", "conf/b": "\xEF\xBB\xBFb\n"}, nil},
		"ignored":           {repository{".helmignore": "\xEF\xBB\xBF# comment\n*.bak\nsecret/\n/top.txt\n", "templates/a.yaml": fmt.Sprintf(configMap, "f", "{{ range $n, $_ := .Files }}\n  {{ $n | quote }}: x{{ end }}"), "a.bak": "", "secret/a": "", "top.txt": "", "a/top.txt": ""}, nil},
		"lookup":            {repository{"templates/a.yaml": fmt.Sprintf(configMap, "l", "  a: {{ lookup \"v1\" \"Secret\" \"a\" \"b\" | toJson }}")}, nil},
		"legacy":            {repository{"Chart.yaml": "name: web\nversion: 0.1.0\n", "requirements.yaml": "dependencies: []\n", "templates/a.yaml": values}, nil},
		"zone":              {repository{"templates/a.yaml": fmt.Sprintf(configMap, "z", "  a: {{ dateInZone \"2006-01-02 15:04 MST\" (toDate \"2006-01-02\" \"2026-07-01\") \"Europe/Berlin\" }}")}, nil},
		"dns":               {repository{"templates/a.yaml": fmt.Sprintf(configMap, "d", "  a: {{ getHostByName \"localhost\" | quote }}")}, nil},
		"default namespace": {repository{"templates/a.yaml": fmt.Sprintf(configMap, "a", "  a: b")}, func(job *helmRequest) { job.Namespace = "" }},
	} {
		t.Run(name, func(t *testing.T) {
			files, job := chartOf(test.files), webRequest()
			if test.change != nil {
				test.change(&job)
			}
			got, _, err := renderChart(files, job)
			if err != nil {
				t.Fatal(err)
			}
			top := files.onDisk(t)
			want, err := oracle(t, top, "helm", commandLine(job, top)...)
			if err != nil {
				t.Fatal(err)
			}
			checkText(t, got, want)
		})
	}
}

func TestInlineValuesAndParametersInOrder(t *testing.T) {
	files := chartOf(repository{"values.yaml": "a: chart\nb: chart\nc: chart\nd: chart\ne: chart\n", "v.yaml": "b: file\nc: file\nd: file\ne: file\n",
		"e.txt": "parameter file", "templates/a.yaml": "{{ toYaml .Values }}"})
	job := webRequest()
	job.ValueFiles = []string{"/chart/v.yaml"}
	job.Values = "c: inline\nd: inline\ne: inline\n"
	job.Parameters = []parameter{{"d", "plain", false}, {"e", "plain", false}}
	job.FileParameters = []fileParameter{{"e", "/chart/e.txt"}}
	got, _, err := renderChart(files, job)
	if err != nil {
		t.Fatal(err)
	}
	checkText(t, got, "---\n# Source: web/templates/a.yaml\na: chart\nb: file\nc: inline\nd: plain\ne: parameter file\n")
}

func TestHelmFailures(t *testing.T) {
	schema := `{"type": "object", "properties": {"a": {"type": "integer"}}}`
	for name, test := range map[string]struct {
		files  repository
		change func(*helmRequest)
		kind   failureKind
		want   string
	}{
		"no chart":       {repository{}, func(job *helmRequest) { job.Chart = "/z" }, failContent, `path "/z" not found`},
		"a file":         {repository{}, func(job *helmRequest) { job.Chart = "/chart/Chart.yaml" }, failContent, "is not a directory"},
		"no Chart.yaml":  {repository{"Chart.yaml": ""}, nil, failContent, "chart.metadata.name is required"},
		"library":        {repository{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\ntype: library\n"}, nil, failContent, "library charts are not installable"},
		"dependencies":   {repository{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies: [{name: db, version: 1.x}]\n"}, nil, failDependencies, "found in Chart.yaml, but missing in charts/ directory: db"},
		"template":       {repository{"templates/a.yaml": "{{ .Values.a.b }}"}, nil, failContent, "nil pointer evaluating interface {}.b"},
		"fail":           {repository{"templates/a.yaml": `{{ fail "words" }}`}, nil, failContent, "execution error at (web/templates/a.yaml:1:3): words"},
		"not YAML":       {repository{"templates/a.yaml": "a: b: c"}, nil, failContent, "YAML parse error on web/templates/a.yaml"},
		"kube version":   {repository{}, func(job *helmRequest) { job.KubeVersion = "x" }, failContent, "invalid kube version 'x'"},
		"incompatible":   {repository{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\nkubeVersion: '>=2'\n"}, nil, failContent, "chart requires kubeVersion: >=2 which is incompatible with Kubernetes v1.36.3"},
		"release name":   {repository{}, func(job *helmRequest) { job.ReleaseName = "A_B" }, failContent, "release name"},
		"missing values": {repository{}, func(job *helmRequest) { job.ValueFiles = []string{"/z.yaml"} }, failContent, "open /z.yaml: no such file or directory"},
		"broken values":  {repository{"v.yaml": "{"}, func(job *helmRequest) { job.ValueFiles = []string{"/chart/v.yaml"} }, failContent, "failed to parse /chart/v.yaml"},
		"inline values":  {repository{}, func(job *helmRequest) { job.Values = "{" }, failContent, "failed to parse values"},
		"parameter":      {repository{}, func(job *helmRequest) { job.Parameters = []parameter{{"a[", "b", false}} }, failContent, "failed parsing --set data"},
		"parameter file": {repository{}, func(job *helmRequest) { job.FileParameters = []fileParameter{{"a", "/z"}} }, failContent, "failed parsing --set-file data: open /z"},
		"standard input": {repository{}, func(job *helmRequest) { job.FileParameters = []fileParameter{{"a", "-"}} }, failContent, "failed parsing --set-file data"},
		"schema":         {repository{"values.schema.json": schema, "values.yaml": "a: b\n"}, nil, failContent, "values don't meet the specifications of the schema(s)"},
		"ignore":         {repository{".helmignore": "a/**"}, nil, failContent, "double-star (**) syntax is not supported"},
		"large file":     {repository{"big": strings.Repeat("a", 5<<20+1)}, nil, failContent, `chart file "big" is larger than the maximum file size 5242880`},
		"not text":       {repository{"templates/a.yaml": "a: \"\xff\""}, nil, failContent, ""},
		"output":         {repository{"templates/a.yaml": "a: {{ repeat 2000000 \"b\" }}"}, nil, failLimit, "the output is larger than 1048576 bytes"},
	} {
		job := webRequest()
		if test.change != nil {
			test.change(&job)
		}
		_, _, err := renderChart(chartOf(test.files), job)
		if err == nil || !strings.Contains(err.Error(), test.want) || message(err).Kind != test.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	job := webRequest()
	job.SkipSchemaValidation = true
	if _, _, err := renderChart(chartOf(repository{"values.schema.json": schema, "values.yaml": "a: b\n"}), job); err != nil {
		t.Errorf("without validation: %v", err)
	}
}

// The same files must be read, in the same order, as upstream's loader reads from a disk.
func TestChartFilesAreThoseOfUpstream(t *testing.T) {
	files := chartOf(repository{
		".helmignore": "*.bak\n/only-top\nsub/dir/\n!*.y*ml\nignored/*.txt\n", "a.bak": "", "only-top": "", "x.yaml": "", "sub/only-top/x.yaml": "",
		"sub/dir/x.yaml": "", "b/a.yaml": "", "b-a.yaml": "", "b.yaml": "", "templates/.hidden.yaml": "", "templates/a.yaml": "",
		"templates/.dir/a.yaml": "", "ignored/a.txt": "", "ignored/b/c.yaml": "", "charts/README.yaml": "",
	})
	for _, rules := range []string{files["/chart/.helmignore"], "", "*.bak\ndir\n", "/b\n", "charts/*\nb*\n"} {
		files["/chart/.helmignore"] = rules
		got, err := chartFiles(files.lookups(nil), "/chart", nil)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := loader.LoadDir(filepath.Join(files.onDisk(t), "chart"))
		if err != nil && len(loaded.Raw) == 0 {
			t.Fatal(err)
		}
		var gotNames, wantNames []string
		for _, file := range got {
			gotNames = append(gotNames, file.Name)
		}
		for _, file := range loaded.Raw {
			wantNames = append(wantNames, file.Name)
		}
		if !slices.Equal(gotNames, wantNames) {
			t.Errorf("%q:\ngot  %v\nwant %v", rules, gotNames, wantNames)
		}
	}
}

func TestIgnoredFilesAreNotRead(t *testing.T) {
	var asked []question
	files := chartOf(repository{".helmignore": "secret/\n*.bak\n", "secret/a": "", "a.bak": "", "templates/a.yaml": "a: b\n"})
	job := webRequest()
	if _, _, err := renderHelm(&job, files.lookups(&asked), 1<<20); err != nil {
		t.Fatal(err)
	}
	want := "[{tree /chart} {read /chart/.helmignore} {read /chart/Chart.yaml} {read /chart/templates/a.yaml}]"
	if fmt.Sprint(asked) != want {
		t.Errorf("got  %v\nwant %s", asked, want)
	}
}

// Helm takes subcharts from a map; the order of their CRDs must not change from one render to the next.
func TestSubchartsHaveAnOrder(t *testing.T) {
	files := repository{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		files["charts/"+name+"/Chart.yaml"] = "apiVersion: v2\nname: " + name + "\nversion: 0.1.0\n"
		files["charts/"+name+"/crds/a.yaml"] = "kind: " + name
	}
	first, _, err := renderChart(chartOf(files), webRequest())
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		again, _, _ := renderChart(chartOf(files), webRequest())
		checkText(t, again, first)
	}
}

func TestUnstable(t *testing.T) {
	for template, want := range map[string]bool{
		"a: {{ randAlphaNum 20 }}":                             true,
		"a: {{ .Values.randAlpha }} # randAlpha 5":             false,
		"a: {{ uuidv4 | quote }}":                              true,
		"a: {{ now | unixEpoch | trunc 1 | len }}":             false,
		"a: {{ (genCA \"a\" 1).Cert | b64enc }}":               true,
		"a: {{ tpl .Values.rendered . }}":                      true,
		"a: {{ .Values.rendered | quote }}":                    false,
		"a: {{ keys .Values | sortAlpha | join \",\" }}":       false,
		"a: {{ derivePassword 1 \"long\" \"a\" \"b\" \"c\" }}": false,
	} {
		files := chartOf(repository{"values.yaml": "rendered: '{{ randAlphaNum 20 }}'\n", "templates/a.yaml": template})
		_, unstable, err := renderChart(files, webRequest())
		if err != nil || unstable != want {
			t.Errorf("%s: %v, %v", template, unstable, err)
		}
	}
}

func TestMayVary(t *testing.T) {
	for template, want := range map[string]bool{
		"{{ now }}": true, "{{- $x := (randInt 1 2) -}}": true, "{{ if a }}}{{ shuffle b }}": true, "{{ \"}}\" }}{{ now }}": true, "{{ a | htpasswd b }}": true,
		"now": false, "{{ .now }}": false, "{{ $now }}": false, "{{ .Values.keys }} date": false, "{{ nowhere }}": false, "{{ tpl \"{{ now }}\" . }}": true, "{{ random }}": false, "{{ x": false, "{{ `\\` }} now {{ a }}": false,
	} {
		rendered := &chart.Chart{Templates: []*chart.File{{Name: "templates/a.yaml", Data: []byte(template)}}}
		if got := mayVary(rendered, nil); got != want {
			t.Errorf("%s: %v", template, got)
		}
	}
}
