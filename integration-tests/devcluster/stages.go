package main

import (
	_ "embed"
	"os"
	"strings"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/yaml"
)

const stagesFile = "stages.yaml"

// podPhaseKey finds the annotation by which a test stops a fake pod at a phase: pending (never starts), running (a Job's pod
// never completes) or failed (ends with exit code 1).
const podPhaseKey = `.metadata.annotations["devcluster/pod"]`

//go:embed pod-failed.yaml
var podFailed string

// writeStages writes what kwok does to fake nodes and pods: its own fast stages, each kept from pods that a test has stopped before it.
func writeStages(d directory) error {
	stages := []struct {
		yaml      string
		stoppedAt []any
	}{
		{nodefast.DefaultNodeInit, nil},
		{podfast.DefaultPodReady, []any{"pending", "failed"}},
		{podfast.DefaultPodComplete, []any{"pending", "running", "failed"}},
		{podfast.DefaultPodDelete, nil},
		{podFailed, nil},
	}
	var out []string
	for _, s := range stages {
		document, err := exceptStopped(s.yaml, s.stoppedAt)
		if err != nil {
			return err
		}
		out = append(out, document)
	}
	return os.WriteFile(d.runFile(stagesFile), []byte(strings.Join(out, "\n---\n")), 0o600)
}

func exceptStopped(stage string, stoppedAt []any) (string, error) {
	if stoppedAt == nil {
		return stage, nil
	}
	var document struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal([]byte(stage), &document); err != nil {
		return "", err
	}
	selector := document.Spec["selector"].(map[string]any)
	expressions := selector["matchExpressions"].([]any)
	selector["matchExpressions"] = append(expressions,
		map[string]any{"key": podPhaseKey, "operator": "NotIn", "values": stoppedAt})
	out, err := yaml.Marshal(document)
	return string(out), err
}
