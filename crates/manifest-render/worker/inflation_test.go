package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// webChart prints its values, release and capabilities, and has a hook, a test, a CRD and a subchart.
func webChart(t testing.TB, version string) map[string]string {
	return map[string]string{
		"Chart.yaml":  "apiVersion: v2\nname: web\nversion: " + version + "\n",
		"values.yaml": "# comment\nimage: {name: nginx, tag: a}\nlist: [1, 2]\nother: \"x\"\n",
		"templates/deployment.yaml": `{{ .Values.missing }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}, labels: {app: web, chart: {{ .Chart.Version | quote }}}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "{{ .Values.image.name }}:{{ .Values.image.tag }}"}]}
`,
		"templates/values.yaml": fmt.Sprintf(configMap, "values", "  values: |\n{{ toYaml .Values | indent 4 }}\n  kube: {{ .Capabilities.KubeVersion }}\n"+
			"  has: {{ .Capabilities.APIVersions.Has \"example.com/v1\" | quote }} "),
		"templates/hook.yaml":   "apiVersion: v1\nkind: Pod\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install}}\n",
		"templates/test.yaml":   "apiVersion: v1\nkind: Pod\nmetadata: {name: test, annotations: {helm.sh/hook: test}}\n",
		"templates/NOTES.txt":   "notes\n",
		"crds/a.yaml":           "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: as.example.com}\n",
		"charts/sub-0.1.0.tgz":  archiveOf(t, "sub", map[string]string{"Chart.yaml": "apiVersion: v2\nname: sub\nversion: 0.1.0\n", "templates/a.yaml": fmt.Sprintf(configMap, "sub", "  a: b")}),
		"kustomization.yaml":    "resources: [https://example.com/not-a-kustomization-of-the-build]\n",
		"ci/prod-values.yaml":   "list: [3]\nother: y\n",
		".helmignore":           "*.bak\n",
		"templates/ignored.bak": "{{ fail \"ignored\" }}",
	}
}

func localChart(t testing.TB, kustomization string) repository {
	return repository{"/over/kustomization.yaml": kustomization, "/over/own.yaml": "image: {tag: own}\nlist: null\n", "/over/more.yaml": "image: {tag: more}\n"}.
		withBelow("/over/charts/web", webChart(t, "1.0.0"))
}

var enabled = kustomizeRequest{Helm: &kustomizeHelm{KubeVersion: "v1.36.3", APIVersions: []string{"example.com/v1", "apps/v1"}}}

// buildWithHelm runs `kustomize build --enable-helm` as it is run for the options of enabled.
func buildWithHelm(t *testing.T, directory string, flags ...string) (string, error) {
	t.Helper()
	arguments := []string{"build", ".", "--enable-helm", "--helm-command", filepath.Join(oracles, "helm"), "--helm-kube-version", "v1.36.3",
		"--helm-api-versions", "example.com/v1", "--helm-api-versions", "apps/v1"}
	return oracle(t, directory, "kustomize", append(arguments, flags...)...)
}

func TestInflationIsLikeUpstream(t *testing.T) {
	generator := "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: gen}\nname: web\nreleaseName: gen\n"
	for name, test := range map[string]struct {
		files repository
		load  string
	}{
		"plain":               {localChart(t, "helmCharts: [{name: web}]\n"), ""},
		"release":             {localChart(t, "helmCharts: [{name: web, releaseName: shop, namespace: front}]\n"), ""},
		"name template":       {localChart(t, "helmCharts: [{name: web, nameTemplate: '{{ \"X\" | lower }}'}]\n"), ""},
		"name is no template": {localChart(t, "helmCharts: [{name: web, releaseName: a.b}]\n"), ""},
		"version":             {localChart(t, "helmCharts: [{name: web, version: 9.9.9}]\n"), ""},
		"crds":                {localChart(t, "helmCharts: [{name: web, includeCRDs: true}]\n"), ""},
		"skip tests":          {localChart(t, "helmCharts: [{name: web, skipTests: true}]\n"), ""},
		"skip hooks":          {localChart(t, "helmCharts: [{name: web, skipHooks: true, debug: true}]\n"), ""},
		"capabilities":        {localChart(t, "helmCharts: [{name: web, kubeVersion: '1.30', apiVersions: ['a/v1,b/v1', c/v1]}]\n"), ""},
		"values file":         {localChart(t, "helmCharts: [{name: web, valuesFile: own.yaml, additionalValuesFiles: [more.yaml]}]\n"), ""},
		"values in chart":     {localChart(t, "helmCharts: [{name: web, valuesFile: charts/web/ci/prod-values.yaml}]\n"), ""},
		"inline override":     {localChart(t, "helmCharts: [{name: web, valuesInline: {image: {tag: inline}, list: [9], extra: {a: 1.0}}}]\n"), ""},
		"inline merge":        {localChart(t, "helmCharts: [{name: web, valuesMerge: merge, valuesInline: {image: {tag: inline}, list: [9], extra: {a: yes}}}]\n"), ""},
		"inline replace":      {localChart(t, "helmCharts: [{name: web, valuesMerge: replace, valuesFile: own.yaml, valuesInline: {image: {tag: inline}}, additionalValuesFiles: [more.yaml]}]\n"), ""},
		"inline and null":     {localChart(t, "helmCharts: [{name: web, valuesFile: own.yaml, valuesInline: {image: {tag: null}, other: ''}}]\n"), ""},
		"namespace":           {localChart(t, "namespace: prod\nhelmCharts: [{name: web}, {name: web, releaseName: b, namespace: own, skipHooks: true}]\n"), ""},
		"namespace of parent": {localChart(t, "helmCharts: [{name: web}]\n").with(repository{"/top/kustomization.yaml": "namespace: up\nresources: [../over]\n"}), ""},
		"transformers": {localChart(t, "namePrefix: p-\nnameSuffix: -s\nlabels: [{pairs: {team: a}, includeSelectors: true}]\ncommonAnnotations: {note: o}\nimages: [{name: nginx, newTag: '9'}]\n"+
			"replicas: [{name: shop, count: 3}]\nhelmCharts: [{name: web, releaseName: shop}]\npatches: [{target: {kind: Deployment}, patch: '- {op: add, path: /metadata/labels/p, value: q}'}]\n"), ""},
		"order": {localChart(t, "resources: [svc.yaml]\nsortOptions: {order: fifo}\nconfigMapGenerator: [{name: m, literals: [a=b]}]\ngenerators: [gen.yaml]\ncomponents: [../part]\nhelmCharts: [{name: web, releaseName: b}, {name: web, releaseName: a, skipHooks: true}]\n").
			with(repository{"/over/svc.yaml": service, "/over/gen.yaml": strings.Replace(generator, "releaseName: gen", "releaseName: gen\nskipHooks: true", 1), "/part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: c-\n"}), ""},
		"inline generator":             {localChart(t, "generators:\n- |\n  "+strings.ReplaceAll(generator, "\n", "\n  ")+"\n"), ""},
		"origin":                       {localChart(t, "buildMetadata: [originAnnotations, managedByLabel]\nhelmCharts: [{name: web}]\n"), ""},
		"chart home":                   {repository{"/over/kustomization.yaml": "helmGlobals: {chartHome: vendor/helm, configHome: /nowhere}\nhelmCharts: [{name: web}]\n"}.withBelow("/over/vendor/helm/web", webChart(t, "1.0.0")), ""},
		"chart home above":             {repository{"/over/kustomization.yaml": "helmGlobals: {chartHome: ../shared}\nhelmCharts: [{name: web}]\n"}.withBelow("/shared/web", webChart(t, "1.0.0")), "LoadRestrictionsNone"},
		"chart home above, own values": {repository{"/over/kustomization.yaml": "helmGlobals: {chartHome: ../shared}\nhelmCharts: [{name: web, valuesFile: v.yaml}]\n", "/over/v.yaml": "a: b\n"}.withBelow("/shared/web", webChart(t, "1.0.0")), ""},
		"repository and version":       {repository{"/over/kustomization.yaml": "helmCharts: [{name: web, repo: 'https://example.com', version: 1.0.0}]\n"}.withBelow("/over/charts/web-1.0.0/web", webChart(t, "1.0.0")), ""},
		"repository":                   {localChart(t, "helmCharts: [{name: web, repo: 'https://example.com'}]\n"), ""},
		"old field":                    {localChart(t, "helmChartInflationGenerator: [{chartName: web, chartVersion: 1.0.0, releaseName: old, values: own.yaml, valuesLocal: {image: {name: l}}, valuesMerge: merge}]\n"), ""},
		"empty":                        {repository{"/over/kustomization.yaml": "resources: [svc.yaml]\nhelmCharts: [{name: web}]\n", "/over/svc.yaml": service, "/over/charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n", "/over/charts/web/values.yaml": ""}, ""},
		"own schema": {localChart(t, "resources: [thing.yaml]\nopenapi: {path: schema.json}\nhelmCharts: [{name: web}]\npatches:\n- patch: |\n    apiVersion: example.com/v1\n    kind: Thing\n    metadata: {name: thing}\n    spec: {items: [{key: b, value: changed}]}\n").
			with(repository{"/over/thing.yaml": thing, "/over/schema.json": thingSchema}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			job := enabled
			job.Path = "/over"
			if _, ok := test.files["/top/kustomization.yaml"]; ok {
				job.Path = "/top"
			}
			flags := []string{}
			if test.load != "" {
				job.LoadRestrictions, flags = "none", []string{"--load-restrictor", test.load}
			}
			got, _, err := renderKustomize(&job, test.files.lookups(nil), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			want, err := buildWithHelm(t, filepath.Join(test.files.onDisk(t), job.Path), flags...)
			if err != nil {
				t.Fatal(err)
			}
			checkText(t, got, want)
		})
	}
}

// chartRepository serves archives as a repository of charts does.
func chartRepository(t *testing.T, archives map[string]string) string {
	index := "apiVersion: v1\nentries:\n  web:\n"
	for _, version := range []string{"1.0.0", "1.1.0-rc.1", "0.9.0"} {
		index += fmt.Sprintf("  - {apiVersion: v2, name: web, version: %s, urls: [web-%s.tgz]}\n", version, version)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/index.yaml" {
			fmt.Fprint(w, index)
			return
		}
		fmt.Fprint(w, archives[path.Base(r.URL.Path)])
	}))
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// Charts that are given must come out as if `helm pull` had fetched them.
func TestPulledChartsAreLikeUpstream(t *testing.T) {
	archives := map[string]string{}
	for _, version := range []string{"1.0.0", "1.1.0-rc.1"} {
		archives["web-"+version+".tgz"] = archiveOf(t, "web", webChart(t, version))
	}
	url := chartRepository(t, archives)
	for name, test := range map[string]struct {
		entries string
		charts  map[string]string
	}{
		"version":         {"{name: web, repo: URL, version: 1.0.0}", map[string]string{"|web|1.0.0": "web-1.0.0.tgz"}},
		"no version":      {"{name: web, repo: URL}", map[string]string{"|web|": "web-1.0.0.tgz"}},
		"devel":           {"{name: web, repo: URL, devel: true}", map[string]string{"|web|>0.0.0-0": "web-1.1.0-rc.1.tgz"}},
		"twice":           {"{name: web, repo: URL}, {name: web, repo: URL, releaseName: b, skipHooks: true}, {name: web, releaseName: c, skipHooks: true}", map[string]string{"|web|": "web-1.0.0.tgz"}},
		"two versions":    {"{name: web, repo: URL, version: 1.0.0}, {name: web, repo: URL, version: 1.1.0-rc.1, releaseName: b, skipHooks: true}", map[string]string{"|web|1.0.0": "web-1.0.0.tgz", "|web|1.1.0-rc.1": "web-1.1.0-rc.1.tgz"}},
		"values in chart": {"{name: web, repo: URL, version: 1.0.0, valuesFile: charts/web-1.0.0/web/ci/prod-values.yaml, valuesInline: {other: z}}", map[string]string{"|web|1.0.0": "web-1.0.0.tgz"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := repository{"/over/kustomization.yaml": "helmCharts: [" + strings.ReplaceAll(test.entries, "URL", url) + "]\n"}
			job := enabled
			job.Charts = map[string]string{}
			for key, file := range test.charts {
				at := "/.driftless/charts/" + file
				job.Charts[url+key], files[at] = at, archives[file]
			}
			got, err := renderOver(files, job)
			if err != nil {
				t.Fatal(err)
			}
			want, err := buildWithHelm(t, filepath.Join(repository{"/over/kustomization.yaml": files["/over/kustomization.yaml"]}.onDisk(t), "over"))
			if err != nil {
				t.Fatal(err)
			}
			checkText(t, got, want)
		})
	}
}

func missingCharts(err error) []string {
	var known *failure
	if !errors.As(err, &known) {
		return nil
	}
	var keys []string
	for _, chart := range known.charts {
		keys = append(keys, chart.key())
	}
	slices.Sort(keys)
	return append(keys, string(known.kind))
}

func TestAllMissingChartsAreTold(t *testing.T) {
	files := repository{
		"/over/kustomization.yaml": "resources: [../one, ../two]\nhelmCharts: [{name: a, repo: 'https://example.com', version: 1.0.0}, {name: a, repo: 'https://example.com', version: 1.0.0, releaseName: b}]\n",
		// What is left of it does not build.
		"/one/kustomization.yaml":    "helmCharts: [{name: b, repo: 'oci://example.com/c', devel: true}, {name: local, repo: 'https://example.com'}]\npatches: [{path: z.yaml}]\n",
		"/one/charts/local/README":   "",
		"/two/kustomization.yaml":    "resources: [../three]\n",
		"/three/kustomization.yaml":  "helmChartInflationGenerator: [{chartName: c, chartRepoUrl: 'https://example.com/x', chartVersion: 2.x}]\n",
		"/remote/kustomization.yaml": "resources: ['https://example.com/a.yaml', ../over]\n",
	}
	all := []string{"https://example.com/x|c|2.x", "https://example.com|a|1.0.0", "oci://example.com/c|b|>0.0.0-0"}
	if got := missingCharts(second(renderOver(files, enabled))); !slices.Equal(got, append(slices.Clone(all), "charts")) {
		t.Errorf("got %v", got)
	}
	job := enabled
	job.Path = "/remote"
	_, _, err := renderKustomize(&job, files.lookups(nil), 1<<20)
	if got := missingCharts(err); !slices.Equal(got, append(slices.Clone(all), "remotes")) || len(missing(err)) != 1 {
		t.Errorf("got %v", got)
	}
	job.Helm = nil
	if _, _, err = renderKustomize(&job, files.lookups(nil), 1<<20); !slices.Equal(missingCharts(err), []string{"remotes"}) {
		t.Errorf("switched off: %v", err)
	}
}

func TestInflationFailures(t *testing.T) {
	remote := "https://example.com/a.git//base"
	for name, test := range map[string]struct {
		files repository
		kind  failureKind
		want  string
	}{
		"no repository":   {repository{"/over/kustomization.yaml": "helmCharts: [{name: web}]\n"}, failContent, "no repo specified for pull, no chart found at '/over/charts/web'"},
		"no name":         {localChart(t, "helmCharts: [{releaseName: web}]\n"), failContent, "chart name cannot be empty"},
		"flag":            {localChart(t, "helmCharts: [{name: web, releaseName: --post-renderer=x}]\n"), failContent, "releaseName must not start with '-'"},
		"merge":           {localChart(t, "helmCharts: [{name: web, valuesMerge: x}]\n"), failContent, "valuesMerge must be one of"},
		"two names":       {localChart(t, "helmCharts: [{name: web, releaseName: a, nameTemplate: b}]\n"), failContent, "cannot set --name-template and also specify a name"},
		"template":        {localChart(t, "helmCharts: [{name: web, valuesMerge: replace, valuesInline: {image: x}}]\n"), failContent, "chart /over/charts/web: "},
		"values":          {localChart(t, "helmCharts: [{name: web, valuesFile: z.yaml}]\n"), failContent, "z.yaml"},
		"more values":     {localChart(t, "helmCharts: [{name: web, additionalValuesFiles: [z.yaml]}]\n"), failContent, "could not load additionalValuesFile"},
		"dependencies":    {localChart(t, "helmCharts: [{name: web}]\n").with(repository{"/over/charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies: [{name: db, version: 1.x}]\n"}), failContent, "missing in charts/ directory: db"},
		"output":          {localChart(t, "helmCharts: [{name: web}]\n").with(repository{"/over/charts/web/templates/l.yaml": "a: {{ repeat 2000000 \"b\" }}"}), failLimit, "the output is larger than"},
		"above":           {repository{"/over/kustomization.yaml": "helmGlobals: {chartHome: ../shared}\nhelmCharts: [{name: web}]\n"}.withBelow("/shared/web", webChart(t, "1.0.0")), failContent, "security; file '/shared/web/values.yaml' is not in or below '/over'"},
		"out of a remote": {repository{"/over/kustomization.yaml": "resources: ['" + remote + "']\n", "/.driftless/remotes/0/base/kustomization.yaml": "helmGlobals: {chartHome: ../../../../over/charts}\nhelmCharts: [{name: web, valuesMerge: replace, valuesInline: {a: b}}]\n"}.withBelow("/over/charts/web", webChart(t, "1.0.0")), failContent, "chart '/over/charts/web' is outside '/.driftless/remotes/0'"},
		"not an archive":  {repository{"/over/kustomization.yaml": "helmCharts: [{name: web, repo: 'https://example.com'}]\n", "/.driftless/c.tgz": "x"}, failContent, "chart web of https://example.com: "},
	} {
		job := enabled
		job.Charts = map[string]string{"https://example.com|web|": "/.driftless/c.tgz"}
		job.Remotes = map[string]string{remote: "/.driftless/remotes/0/base"}
		_, err := renderOver(test.files, job)
		if err == nil || !strings.Contains(err.Error(), test.want) || message(err).Kind != test.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInflationIsUnstable(t *testing.T) {
	for template, want := range map[string]bool{"randAlphaNum 20": true, "quote \"a\"": false} {
		files := localChart(t, "helmCharts: [{name: web}]\n").with(repository{"/over/charts/web/templates/r.yaml": fmt.Sprintf(configMap, "r", "  a: {{ "+template+" }}")})
		job := enabled
		job.Path = "/over"
		if _, unstable, err := renderKustomize(&job, files.lookups(nil), 1<<20); err != nil || unstable != want {
			t.Errorf("%s: %v, %v", template, unstable, err)
		}
	}
}

func TestChartsAreNotAskedForTwice(t *testing.T) {
	if _, err := os.Stat(helmHome); err == nil {
		t.Errorf("%s is there", helmHome)
	}
	var asked []question
	files := repository{"/over/kustomization.yaml": "helmCharts: [{name: web, repo: 'https://example.com'}]\n", "/.driftless/c.tgz": archiveOf(t, "web", webChart(t, "1.0.0"))}
	job := enabled
	job.Path, job.Charts = "/over", map[string]string{"https://example.com|web|": "/.driftless/c.tgz"}
	if _, _, err := renderKustomize(&job, files.lookups(&asked), 1<<20); err != nil {
		t.Fatal(err)
	}
	want := "[{stat /over} {read /over} {read /over/kustomization.yaml} {read /over/kustomization.yml} {read /over/Kustomization}" +
		" {tree /over/charts/web} {read /.driftless/c.tgz} {stat /over/charts}]"
	if fmt.Sprint(asked) != want {
		t.Errorf("got  %v\nwant %s", asked, want)
	}
}
