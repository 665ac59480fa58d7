package main

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/kustomize/v5/commands/edit"
	"sigs.k8s.io/yaml"
)

// runEdits runs `kustomize edit` for each list of arguments in the working directory.
func runEdits(files *mounted, remotes *remotes, edits [][]string) error {
	// The command looks at each line for a comment to keep, which takes longer than the build. It understands JSON, which has no
	// lines, and nobody reads the comments.
	files.onRead = func(path string, content []byte) []byte {
		if !isKustomization(path) {
			return content
		}
		oneLine, err := yaml.YAMLToJSON(content)
		if err != nil {
			return content
		}
		return oneLine
	}
	defer func() { files.onRead = nil }()
	for _, edit := range edits {
		if err := runEdit(files, remotes, edit); err != nil {
			return err
		}
	}
	return nil
}

// runEdit runs `kustomize edit` with the given arguments in the working directory.
func runEdit(files *mounted, remotes *remotes, arguments []string) error {
	located, ok := remotes.locateArguments(arguments, files.cwd)
	if !ok {
		return nil
	}
	depend := provider.NewDefaultDepProvider()
	command := edit.NewCmdEdit(files, depend.GetFieldValidator(), depend.GetResourceFactory(), io.Discard)
	if found, _, err := command.Find(located); err != nil || !found.Runnable() {
		return fmt.Errorf("kustomize edit %s: there is no such command", strings.Join(arguments, " "))
	}
	// Not nil: the command would take the arguments of the process.
	command.SetArgs(append([]string{}, located...))
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetOut(io.Discard)
	command.SetErr(io.Discard)
	if err := command.Execute(); err != nil {
		return fmt.Errorf("kustomize edit %s: %w", strings.Join(arguments, " "), err)
	}
	return nil
}

// appendPatches appends to the field `patches` of the kustomization in the working directory.
func appendPatches(files *mounted, patches []patch) error {
	if len(patches) == 0 {
		return nil
	}
	names := konfig.RecognizedKustomizationFileNames()
	at := slices.IndexFunc(names, files.Exists)
	if at < 0 {
		return fmt.Errorf("there is no kustomization.yaml in %s for the patches", files.cwd)
	}
	content, err := files.ReadFile(names[at])
	if err != nil {
		return err
	}
	var read any
	if err := yaml.Unmarshal(content, &read); err != nil {
		return fmt.Errorf("%s does not parse: %w", path.Join(files.cwd, names[at]), err)
	}
	kustomization, ok := read.(map[string]any)
	if !ok {
		return fmt.Errorf("expected %s to be a map, but got %T", path.Join(files.cwd, names[at]), read)
	}
	list := []any{}
	if present, ok := kustomization["patches"]; ok {
		if list, ok = present.([]any); !ok {
			return fmt.Errorf("expected 'patches' of %s to be a list, but got %T", path.Join(files.cwd, names[at]), present)
		}
	}
	for _, patch := range patches {
		list = append(list, patch)
	}
	kustomization["patches"] = list
	changed, err := yaml.Marshal(kustomization)
	if err != nil {
		return err
	}
	return files.WriteFile(names[at], changed)
}
