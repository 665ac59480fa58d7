package main

import (
	"bytes"
	"strings"

	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/getter"
)

// The name of the values that come with the request; files have absolute paths.
const inlineValues = "values"

// mergedValues merges the values of a request in Helm's order.
func mergedValues(job *helmRequest, look source) (map[string]any, error) {
	options := values.Options{ValueFiles: job.ValueFiles}
	if job.Values != "" {
		options.ValueFiles = append(append([]string{}, job.ValueFiles...), inlineValues)
	}
	for _, parameter := range job.Parameters {
		written := parameter.Name + "=" + parameter.Value
		if parameter.String {
			options.StringValues = append(options.StringValues, written)
		} else {
			options.Values = append(options.Values, written)
		}
	}
	for _, file := range job.FileParameters {
		options.FileValues = append(options.FileValues, file.Name+"="+escapeSet.Replace(file.Path))
	}
	// Helm gets what has a scheme through a provider and reads what has none from the disk, unless there is a provider
	// for what has none.
	return options.MergeValues(getter.Providers{{
		Schemes: []string{""},
		New: func(...getter.Option) (getter.Getter, error) {
			return valueFiles{look: look, inline: job.Values}, nil
		},
	}})
}

// escapeSet keeps characters of a path from ending it where they have a meaning after `--set-file`.
var escapeSet = strings.NewReplacer(`\`, `\\`, `,`, `\,`)

// valueFiles gets the files of values.
type valueFiles struct {
	look   source
	inline string
}

// Get returns the content of a file.
func (v valueFiles) Get(name string, _ ...getter.Option) (*bytes.Buffer, error) {
	if name == inlineValues {
		return bytes.NewBufferString(v.inline), nil
	}
	content, found := v.look.read(name)
	if found != outcomeFile {
		return nil, pathError("open", name, found)
	}
	// Not the bytes themselves: a buffer may be written to.
	return bytes.NewBufferString(string(content)), nil
}
