package main

import (
	"fmt"
	"path"
	"slices"

	"github.com/google/go-jsonnet"
)

// renderJsonnet returns what `jsonnet` prints of a file.
func renderJsonnet(job *jsonnetRequest, look *lookups, outputBytes int) (string, error) {
	vm := jsonnet.MakeVM()
	vm.Importer(&importer{look: look, libs: job.Libs, read: map[string]jsonnet.Contents{}})
	for _, variable := range job.ExtVars {
		if variable.Code {
			vm.ExtCode(variable.Name, variable.Value)
		} else {
			vm.ExtVar(variable.Name, variable.Value)
		}
	}
	for _, variable := range job.TLAs {
		if variable.Code {
			vm.TLACode(variable.Name, variable.Value)
		} else {
			vm.TLAVar(variable.Name, variable.Value)
		}
	}
	text, err := vm.EvaluateFile(job.Path)
	if err != nil {
		return "", err
	}
	out := &output{limit: outputBytes}
	if _, err := out.WriteString(text); err != nil {
		return "", err
	}
	return out.finished()
}

// importer finds imports beside the file that has them, then in libraries, the last one first, as the importer of files does.
type importer struct {
	look *lookups
	libs []string
	// The library wants the same contents for the same path each time.
	read map[string]jsonnet.Contents
}

// Import returns the content of an imported file and where it was found.
func (i *importer) Import(importedFrom, imported string) (jsonnet.Contents, string, error) {
	places := []string{path.Dir(importedFrom)}
	for _, lib := range slices.Backward(i.libs) {
		places = append(places, lib)
	}
	if path.IsAbs(imported) {
		places = []string{"/"}
	}
	for _, place := range places {
		at := path.Join("/", place, imported)
		if known, ok := i.read[at]; ok {
			return known, at, nil
		}
		content, found := i.look.read(at)
		if found != outcomeFile {
			continue
		}
		contents := jsonnet.MakeContentsRaw(content)
		i.read[at] = contents
		return contents, at, nil
	}
	return jsonnet.Contents{}, "", fmt.Errorf("couldn't open import %#v: no match locally or in the Jsonnet library paths", imported)
}
