package main

import (
	_ "unsafe" // For go:linkname.

	"sigs.k8s.io/kustomize/api/builtins"
	"sigs.k8s.io/kustomize/api/resmap"
)

// builtinKind has the representation of kustomize's own type of the keys.
type builtinKind int

// What makes kustomize's own generators and transformers. Their places in a build, what they are configured with and what becomes of
// their resources are kustomize's; that two of them are made in another way is all that is different, and there is no other way in.
//
//go:linkname generatorFactories sigs.k8s.io/kustomize/api/internal/plugins/builtinhelpers.GeneratorFactories
var generatorFactories map[builtinKind]func() resmap.GeneratorPlugin

//go:linkname transformerFactories sigs.k8s.io/kustomize/api/internal/plugins/builtinhelpers.TransformerFactories
var transformerFactories map[builtinKind]func() resmap.TransformerPlugin

func init() {
	for kind, factory := range generatorFactories {
		// It starts the program `helm` and knows no other way.
		if _, ok := factory().(*builtins.HelmChartInflationGeneratorPlugin); ok {
			generatorFactories[kind] = func() resmap.GeneratorPlugin { return &inflation{charts: inflated} }
		}
	}
	for kind, factory := range transformerFactories {
		// Its configuration lists all fields that may have labels, and takes longest to read.
		if _, ok := factory().(*builtins.LabelTransformerPlugin); ok {
			transformerFactories[kind] = func() resmap.TransformerPlugin { return &labelling{} }
		}
	}
}

// A labelling is kustomize's transformer of labels; it reads the same configuration once.
type labelling struct {
	builtins.LabelTransformerPlugin
}

// Configurations of labels that were read; one render at a time has a use for them.
var knownLabels = map[string]builtins.LabelTransformerPlugin{}

// Configurations that are kept; with the default fields each takes about 15 KiB.
const mostKnownLabels = 64

// Config reads a configuration as kustomize does. A transformer only reads what it is configured with, so they may share that.
func (l *labelling) Config(helpers *resmap.PluginHelpers, config []byte) error {
	key := string(config)
	known, ok := knownLabels[key]
	if ok {
		l.LabelTransformerPlugin = known
		return nil
	}
	if err := l.LabelTransformerPlugin.Config(helpers, config); err != nil {
		return err
	}
	if len(knownLabels) >= mostKnownLabels {
		clear(knownLabels)
	}
	knownLabels[key] = l.LabelTransformerPlugin
	return nil
}
