package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, ports: [{containerPort: 80}]}
      - {name: side, image: "busybox:1"}
`

const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"

// base is an overlay over a base, used where only what is added matters.
func base() repository {
	return repository{
		"/base/kustomization.yaml": "resources: [web.yaml, service.yaml]\n",
		"/base/web.yaml":           deployment,
		"/base/service.yaml":       service,
		"/over/kustomization.yaml": "resources: [../base]\nnamespace: shop\n",
	}
}

func (r repository) with(files repository) repository {
	all := maps.Clone(r)
	maps.Copy(all, files)
	return all
}

func renderOver(files repository, job kustomizeRequest) (string, error) {
	job.Path = "/over"
	text, _, err := renderKustomize(&job, files.lookups(nil), 1<<20)
	return text, err
}

// The output must be that of `kustomize build` after `kustomize edit`.
func TestKustomizeIsLikeUpstream(t *testing.T) {
	over := func(kustomization string) repository {
		return base().with(repository{"/over/kustomization.yaml": kustomization})
	}
	for name, test := range map[string]struct {
		files repository
		job   kustomizeRequest
		flags []string
	}{
		"overlay": {files: base()},
		"typical": {files: directory(t, filepath.Join("testdata", "overlay"))},
		"strategic merge patch": {files: over(`resources: [../base]
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec: {template: {spec: {containers: [{name: side, image: "busybox:2"}]}}}
`)},
		"generators": {files: over(`resources: [../base]
namePrefix: x-
configMapGenerator: [{name: settings, literals: [a=b], files: [file.txt]}]
secretGenerator: [{name: hidden, literals: [a=b]}]
images: [{name: nginx, newTag: "2"}]
`).with(repository{"/over/file.txt": "text\n"})},
		"order": {files: over("resources: [../base, ns.yaml]\n").with(repository{
			"/over/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"})},
		"sort options": {files: over("resources: [../base]\nsortOptions: {order: fifo}\n")},
		"metadata":     {files: over("resources: [../base]\nbuildMetadata: [managedByLabel, originAnnotations]\n")},
		"component": {files: over("resources: [../base]\ncomponents: [../part]\n").with(repository{
			"/part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -part\n"})},
		"deprecated fields": {files: over("bases: [../base]\ncommonLabels: {a: b}\n")},
		"other name":        {files: repository{"/over/Kustomization": "resources: [web.yaml]\n", "/over/web.yaml": deployment}},
		"none": {
			files: over("resources: [../base, ../else/web.yaml]\n").with(repository{"/else/web.yaml": strings.Replace(deployment, "name: web", "name: other", 1)}),
			job:   kustomizeRequest{LoadRestrictions: "none"}, flags: []string{"--load-restrictor", "LoadRestrictionsNone"},
		},
		"edits": {files: base(), job: kustomizeRequest{Edits: [][]string{
			{"set", "nameprefix", "--", "prod-"},
			{"set", "namesuffix", "--", "-1"},
			{"set", "image", "nginx=nginx:1.29", "busybox@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3"},
			{"set", "replicas", "web=3"},
			{"add", "label", "--force", "--without-selector", "--include-templates", "team:a,tier:b"},
			{"add", "annotation", "--force", "note:x"},
			{"set", "namespace", "--", "other"},
		}}},
		"add component": {
			files: base().with(repository{"/parts/one/kustomization.yaml": "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nnamePrefix: one-\n"}),
			job:   kustomizeRequest{Edits: [][]string{{"add", "component", "../parts/one"}}},
		},
		"own schema": {files: over(`resources: [thing.yaml]
openapi: {path: schema.json}
patches:
- patch: |
    apiVersion: example.com/v1
    kind: Thing
    metadata: {name: thing}
    spec: {items: [{key: b, value: changed}]}
`).with(repository{"/over/thing.yaml": thing, "/over/schema.json": thingSchema})},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := renderOver(test.files, test.job)
			if err != nil {
				t.Fatal(err)
			}
			directory := filepath.Join(test.files.onDisk(t), "over")
			for _, edit := range test.job.Edits {
				if _, err := oracle(t, directory, "kustomize", append([]string{"edit"}, edit...)...); err != nil {
					t.Fatal(err)
				}
			}
			want, err := oracle(t, directory, "kustomize", append([]string{"build", "."}, test.flags...)...)
			if err != nil {
				t.Fatal(err)
			}
			checkText(t, got, want)
		})
	}
}

const thing = `apiVersion: example.com/v1
kind: Thing
metadata: {name: thing}
spec: {items: [{key: a, value: x}, {key: b, value: y}]}
`

const thingSchema = `{"definitions": {"v1.Thing": {
  "x-kubernetes-group-version-kind": [{"group": "example.com", "kind": "Thing", "version": "v1"}],
  "properties": {"spec": {"properties": {"items": {"type": "array",
    "x-kubernetes-patch-merge-key": "key", "x-kubernetes-patch-strategy": "merge",
    "items": {"properties": {"key": {"type": "string"}, "value": {"type": "string"}}}}}}}}}}
`

// A schema of one kustomization must not reach the next, and the built-in one must be there again.
func TestOwnSchemaDoesNotStay(t *testing.T) {
	merged := base().with(repository{"/over/kustomization.yaml": `resources: [thing.yaml, ../base]
patches:
- patch: |
    apiVersion: example.com/v1
    kind: Thing
    metadata: {name: thing}
    spec: {items: [{key: b, value: changed}]}
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec: {template: {spec: {containers: [{name: side, image: "busybox:2"}]}}}
`, "/over/thing.yaml": thing, "/over/schema.json": thingSchema})
	own := merged.with(repository{"/over/kustomization.yaml": merged["/over/kustomization.yaml"] + "openapi: {path: schema.json}\n"})
	before, err := renderOver(merged, kustomizeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	with, err := renderOver(own, kustomizeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	after, err := renderOver(merged, kustomizeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if with == before {
		t.Error("the schema has no effect")
	}
	checkText(t, after, before)
	broken := own.with(repository{"/over/schema.json": "{]"})
	if _, err := renderOver(broken, kustomizeRequest{}); err == nil || !strings.Contains(err.Error(), "invalid schema file") {
		t.Errorf("a schema that does not parse: %v", err)
	}
	if after, err = renderOver(merged, kustomizeRequest{}); err != nil || after != before {
		t.Errorf("after it: %v", err)
	}
	unfinished := own.with(repository{"/over/kustomization.yaml": own["/over/kustomization.yaml"] + "components: [github.com/a/b]\n"})
	if _, err := renderOver(unfinished, kustomizeRequest{}); missing(err) == nil {
		t.Errorf("a missing remote: %v", err)
	}
	if after, err = renderOver(merged, kustomizeRequest{}); err != nil || after != before {
		t.Errorf("after that: %v", err)
	}
}

func TestPatchesAreAppended(t *testing.T) {
	patched := func(image string) string {
		return fmt.Sprintf("- {op: replace, path: /spec/template/spec/containers/0/image, value: %s}", image)
	}
	files := base().with(repository{"/over/kustomization.yaml": "resources: [../base]\npatches: [{path: p.yaml, target: {kind: Deployment}}]\n",
		"/over/p.yaml": patched("first"), "/over/q.yaml": "- {op: add, path: /metadata/name, value: renamed}"})
	target := map[string]any{"kind": "Deployment"}
	got, err := renderOver(files, kustomizeRequest{Patches: []patch{
		{Patch: patched("second"), Target: target},
		{Path: "q.yaml", Target: target, Options: map[string]any{"allowNameChange": true}},
	}})
	if err != nil || !strings.Contains(got, "image: second") || !strings.Contains(got, "name: renamed") {
		t.Errorf("%v\n%s", err, got)
	}
	without := base()
	if got, err = renderOver(without, kustomizeRequest{Patches: []patch{{Patch: patched("only"), Target: target}}}); err != nil || !strings.Contains(got, "image: only") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestKustomizeFailures(t *testing.T) {
	over := func(kustomization string) repository {
		return base().with(repository{"/over/kustomization.yaml": kustomization})
	}
	one := []patch{{Patch: "[]"}}
	for name, test := range map[string]struct {
		files repository
		job   kustomizeRequest
		want  string
	}{
		"no directory":         {repository{"/a": ""}, kustomizeRequest{Patches: one}, "must build at directory"},
		"no kustomization":     {repository{"/over/a": ""}, kustomizeRequest{}, "unable to find one of 'kustomization.yaml'"},
		"none for patches":     {repository{"/over/a": ""}, kustomizeRequest{Patches: one}, "there is no kustomization.yaml in /over"},
		"missing file":         {over("resources: [z.yaml]\n"), kustomizeRequest{}, "lstat /over/z.yaml: no such file or directory"},
		"outside the root":     {over("resources: [../base/web.yaml]\n"), kustomizeRequest{}, "security; file '/base/web.yaml' is not in or below '/over'"},
		"cycle":                {over("resources: [../over]\n"), kustomizeRequest{}, "cycle detected"},
		"charts":               {over("helmCharts: [{name: web, repo: https://example.com}]\n"), kustomizeRequest{}, "must specify --enable-helm"},
		"program":              {over("resources: [../base]\ntransformers: [t.yaml]\n").with(repository{"/over/t.yaml": execPlugin}), kustomizeRequest{}, "external plugins disabled"},
		"function":             {over("resources: [../base]\ntransformers: [t.yaml]\n").with(repository{"/over/t.yaml": function}), kustomizeRequest{}, "external plugins disabled"},
		"unknown field":        {over("resource: [../base]\n"), kustomizeRequest{}, `unknown field "resource"`},
		"edit":                 {base(), kustomizeRequest{Edits: [][]string{{"set", "replicas", "web"}}}, "kustomize edit set replicas web: "},
		"unknown edit":         {base(), kustomizeRequest{Edits: [][]string{{"destroy"}}}, "kustomize edit destroy: there is no such command"},
		"empty edit":           {base(), kustomizeRequest{Edits: [][]string{{}}}, "kustomize edit : there is no such command"},
		"component":            {base(), kustomizeRequest{Edits: [][]string{{"add", "component", "../z"}}}, "../z has no match"},
		"patches not a list":   {over("patches: {}\n"), kustomizeRequest{Patches: one}, "expected 'patches' of /over/kustomization.yaml to be a list, but got map"},
		"kustomization a list": {over("[]\n"), kustomizeRequest{Patches: one}, "expected /over/kustomization.yaml to be a map, but got"},
		"kustomization broken": {over("{\n"), kustomizeRequest{Patches: one}, "/over/kustomization.yaml does not parse"},
	} {
		if _, err := renderOver(test.files, test.job); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const execPlugin = "apiVersion: example.com/v1\nkind: Plugin\nmetadata: {name: p}\n"
const function = `apiVersion: example.com/v1
kind: Function
metadata: {name: f, annotations: {config.kubernetes.io/function: "container: {image: example.com/f}"}}
`

func TestKustomizeAsksForWhatItNeeds(t *testing.T) {
	var asked []question
	files := base().with(repository{"/over/README.md": "", "/base/other.yaml": ""})
	if _, _, err := renderKustomize(&kustomizeRequest{Path: "/over"}, files.lookups(&asked), 1<<20); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(asked)
	want := "[{stat /over} {read /over} {read /over/kustomization.yaml} {read /over/kustomization.yml} {read /over/Kustomization}" +
		" {read /base} {read /base/kustomization.yaml} {read /base/kustomization.yml} {read /base/Kustomization}" +
		" {read /base/web.yaml} {read /base/service.yaml}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestKustomizeOutputIsBounded(t *testing.T) {
	all, err := renderOver(base(), kustomizeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for limit, fits := range map[int]bool{len(all): true, len(all) - 1: false, 1: false} {
		_, _, err := renderKustomize(&kustomizeRequest{Path: "/over"}, base().lookups(nil), limit)
		if (err == nil) != fits || err != nil && message(err).Kind != failLimit {
			t.Errorf("%d of %d bytes: %v", limit, len(all), err)
		}
	}
}
