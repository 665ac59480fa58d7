package main

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/builtins"
)

// The library must make ours where it would make its own, and nowhere else.
func TestBuiltinsAreReplaced(t *testing.T) {
	inflations, labellings := 0, 0
	for _, factory := range generatorFactories {
		switch factory().(type) {
		case *inflation:
			inflations++
		case *builtins.HelmChartInflationGeneratorPlugin:
			t.Error("kustomize makes its own generator of charts")
		}
	}
	for _, factory := range transformerFactories {
		switch factory().(type) {
		case *labelling:
			labellings++
		case *builtins.LabelTransformerPlugin:
			t.Error("kustomize makes its own transformer of labels")
		}
	}
	if inflations != 1 || len(generatorFactories) != 4 || labellings != 1 || len(transformerFactories) < 10 {
		t.Errorf("%d of %d, %d of %d", inflations, len(generatorFactories), labellings, len(transformerFactories))
	}
}

func TestLabelsOfOneRenderAreNotThoseOfAnother(t *testing.T) {
	for round := range 2 {
		for at := range mostKnownLabels + 3 {
			value := fmt.Sprintf("v%d", at)
			files := base().with(repository{"/over/kustomization.yaml": "resources: [../base]\nlabels: [{pairs: {team: " + value + "}, includeSelectors: true}]\n"})
			got, err := renderOver(files, kustomizeRequest{})
			if err != nil || strings.Count(got, "team: "+value+"\n") != 5 {
				t.Fatalf("%d: %v\n%s", round, err, got)
			}
		}
	}
	if len(knownLabels) > mostKnownLabels {
		t.Errorf("%d are kept", len(knownLabels))
	}
}
