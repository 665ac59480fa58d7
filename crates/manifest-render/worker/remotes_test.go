package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestRemoteEntries(t *testing.T) {
	for entry, want := range map[string]string{
		"../base":        "",
		"base@v1":        "",
		"a/github.com/b": "",
		"deploy.yaml":    "",
		"apiVersion: v1\nkind: A\nurl: https://example.com/a/b": "",
		"https://example.com/a.yaml":                            "file",
		"http://example.com/a/b/c.yaml":                         "file repository",
		"https://github.com/org/repo":                           "file repository",
		"https://example.com/a.git//b?ref=v1":                   "file repository",
		"github.com/org/repo/base?ref=v1":                       "repository",
		"GitHub.com/org/repo":                                   "repository",
		"git@github.com:org/repo.git":                           "repository",
		"git@example.com:org/repo.git":                          "repository",
		"git@example.com/org/repo":                              "repository",
		"ssh://git@example.com/org/repo":                        "repository",
		"git::https://example.com/a/b":                          "repository",
		"file:///srv/repo":                                      "repository",
		"ftp://example.com/a/b":                                 "",
	} {
		var got []string
		if isRemoteFile(entry) {
			got = append(got, "file")
		}
		if isRepository(entry) {
			got = append(got, "repository")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %q", entry, got, want)
		}
	}
}

func missing(err error) []string {
	var known *failure
	if !errors.As(err, &known) || known.kind != failRemotes {
		return nil
	}
	return slices.Sorted(slices.Values(known.remotes))
}

func TestAllMissingRemotesAreTold(t *testing.T) {
	files := repository{
		"/over/kustomization.yaml": `resources: [../one, "https://example.com/a.yaml", ../two]
components: ["https://example.com/c.git//part"]
patches: [{path: "https://example.com/patch.yaml"}]
`,
		// What is left of it does not build.
		"/one/kustomization.yaml":   "Resources: ['github.com/org/one?ref=v1']\npatches: [{path: z.yaml}]\n",
		"/two/kustomization.yaml":   "resources: [../three]\n",
		"/three/kustomization.yaml": "bases: ['git@example.com:org/three.git']\ngenerators: [\"https://example.com/g.yaml\"]\n",
	}
	got := missing(second(renderOver(files, kustomizeRequest{})))
	want := []string{"git@example.com:org/three.git", "github.com/org/one?ref=v1", "https://example.com/a.yaml",
		"https://example.com/c.git//part", "https://example.com/g.yaml"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func second(_ string, err error) error { return err }

func TestGivenRemotes(t *testing.T) {
	files := base().with(repository{
		"/over/kustomization.yaml": `resources: ["https://example.com/a.git//base?ref=v1", "https://example.com/web.yaml"]
components: ["git@example.com:org/parts.git//one"]
patches: [{path: "https://example.com/patch.yaml?x=a b", target: {kind: Deployment, name: "web.*"}}]
configMapGenerator: [{name: m, files: ["f=https://example.com/web.yaml"]}]
`,
		"/.driftless/remotes/0/base/kustomization.yaml":  "resources: [web.yaml, ../other]\n",
		"/.driftless/remotes/0/base/web.yaml":            deployment,
		"/.driftless/remotes/0/other/kustomization.yaml": "resources: [web.yaml]\nnamePrefix: other-\n",
		"/.driftless/remotes/0/other/web.yaml":           service,
		"/.driftless/remotes/1":                          strings.Replace(deployment, "name: web", "name: web2", 1),
		"/.driftless/remotes/2/one/kustomization.yaml":   "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n",
		"/.driftless/remotes/3":                          "- {op: replace, path: /spec/replicas, value: 7}",
	})
	got, err := renderOver(files, kustomizeRequest{Remotes: map[string]string{
		"https://example.com/a.git//base?ref=v1": "/.driftless/remotes/0/base",
		"https://example.com/web.yaml":           "/.driftless/remotes/1",
		"git@example.com:org/parts.git//one":     "/.driftless/remotes/2/one",
		"https://example.com/patch.yaml?x=a b":   "/.driftless/remotes/3",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"name: web-c", "name: web2-c", "name: other-web-c", "replicas: 7", "  f: |\n"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in\n%s", part, got)
		}
	}
}

func TestRemoteComponentsOfEdits(t *testing.T) {
	part := "git@example.com:org/parts.git//one"
	job := kustomizeRequest{Edits: [][]string{{"add", "component", part}}}
	if got := missing(second(renderOver(base(), job))); !slices.Equal(got, []string{part}) {
		t.Errorf("missing: %v", got)
	}
	job.Remotes = map[string]string{part: "/.driftless/remotes/0/one"}
	got, err := renderOver(base().with(repository{
		"/.driftless/remotes/0/one/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n",
	}), job)
	if err != nil || !strings.Contains(got, "name: web-c") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestRemotesDoNotReachTheRepository(t *testing.T) {
	remote := "https://example.com/a.git//base"
	files := base().with(repository{
		"/over/kustomization.yaml":                      "resources: ['" + remote + "']\n",
		"/.driftless/remotes/0/base/kustomization.yaml": "resources: [../../../../base]\n",
	})
	_, err := renderOver(files, kustomizeRequest{Remotes: map[string]string{remote: "/.driftless/remotes/0/base"}})
	if err == nil || !strings.Contains(err.Error(), "base '/base' is outside '/.driftless/remotes/0'") {
		t.Errorf("%v", err)
	}
}
