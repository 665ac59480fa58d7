package main

import (
	"bytes"
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// renderKustomize returns what `kustomize build` prints after the edits and patches of a request.
func renderKustomize(job *kustomizeRequest, look *lookups, outputBytes int) (string, error) {
	files := newMounted(look, job.Path)
	remotes := newRemotes(job.Remotes, look)
	restore := remotes.serve()
	defer restore()
	// Where there is no directory, the build says so.
	if files.IsDir(job.Path) {
		for _, edit := range job.Edits {
			if err := runEdit(files, remotes, edit); err != nil {
				return "", err
			}
		}
		if err := appendPatches(files, job.Patches); err != nil {
			return "", err
		}
	}
	built, err := build(files, remotes, job)
	if len(remotes.missing) > 0 {
		remotes.walk(files, job.Path, map[string]bool{})
		return "", remotes.failure()
	}
	if remotes.escape != nil {
		return "", remotes.escape
	}
	if err != nil {
		return "", err
	}
	return printed(built, outputBytes)
}

// build runs kustomize with the options of `kustomize build` without flags.
func build(files *mounted, remotes *remotes, job *kustomizeRequest) (resmap.ResMap, error) {
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionUnspecified
	if job.LoadRestrictions == "none" {
		options.LoadRestrictions = types.LoadRestrictionsNone
	}

	hasOwnSchema := false
	files.onRead = func(path string, content []byte) []byte {
		if !isKustomization(path) {
			return content
		}
		hasOwnSchema = hasOwnSchema || bytes.Contains(bytes.ToLower(content), []byte("openapi"))
		return remotes.substitute(path, content)
	}
	defer func() { files.onRead = nil }()

	built, err := run(options, files, job.Path)
	if !hasOwnSchema {
		return built, err
	}
	// The schema is global to the process and parsed once; a kustomization that brings its own must find none, as in a
	// process of its own, and leave none behind. What was read is not asked again.
	defer openapi.ResetOpenAPI()
	if len(remotes.missing) > 0 {
		return built, err
	}
	openapi.ResetOpenAPI()
	return run(options, files, job.Path)
}

// run builds; a schema of the user's that does not parse is an error and not a panic.
func run(options *krusty.Options, files *mounted, path string) (built resmap.ResMap, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			if text := fmt.Sprint(panicked); strings.HasPrefix(text, "invalid schema file") {
				built, err = nil, fmt.Errorf("openapi: %s", text)
				return
			}
			panic(panicked)
		}
	}()
	return krusty.MakeKustomizer(options).Run(files, path)
}

// printed returns resources as `kustomize build` prints them.
func printed(built resmap.ResMap, outputBytes int) (string, error) {
	out := &output{limit: outputBytes}
	for at, resource := range built.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			return "", err
		}
		if at > 0 {
			if _, err := out.WriteString("---\n"); err != nil {
				return "", err
			}
		}
		if _, err := out.Write(text); err != nil {
			return "", err
		}
	}
	return out.finished()
}
