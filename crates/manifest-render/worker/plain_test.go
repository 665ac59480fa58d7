package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// checkPrinted compares with what kustomize prints, and tells whether the short way was taken.
func checkPrinted(t *testing.T, text string) bool {
	t.Helper()
	made, err := provider.NewDefaultDepProvider().GetResourceFactory().SliceFromBytes([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	plain := true
	for _, resource := range made {
		got, gotErr := resourceYAML(resource)
		want, wantErr := resource.AsYAML()
		if string(got) != string(want) || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%s\ngot  %s %v\nwant %s %v", text, got, gotErr, want, wantErr)
		}
		_, isPlain := plainValue(resource.YNode())
		plain = plain && isPlain
	}
	return plain
}

func TestResourcesArePrintedAsKustomizeDoes(t *testing.T) {
	for value, plain := range map[string]bool{
		"a": true, `"a"`: true, "'a'": true, "1": true, `"1"`: true, "-0": true, "0x1F": true, "010": true, "0o7": true, "1_000": true, "18446744073709551615": true,
		"true": true, "yes": true, "on": true, `"yes"`: true, "null": true, "~": true, "''": true, `" a "`: true, `"a: b # c"`: true, "'- a'": true, "a:b": true, "=": true,
		"2020-01-01": false, `"2020-01-01"`: true, "1:30": true, "0b11": true, "{}": true, "[]": true, "{a: {b: [1, {c: d}]}}": true, "[[a], []]": true, "!!str 1": false, "'it''s'": true,
		"": false, "{a: }": false, "1.0": false, "1e3": false, ".inf": false, "99999999999999999999": false, `"ü"`: false, `"a\nb"`: false, `"\t"`: false,
		"|\n  a\n  b": false, ">-\n  a\n\n    b\n  c": false, "a # comment": false, "!!int \"3\"": false, "!!float 1": false, "!!binary aGk=": false, "!own a": false,
		"\"" + strings.Repeat("long words ", 50) + "\"": true, "{" + strings.Repeat("k", 120) + ": v}": false, "{<<: {a: b}}": true, "{1: a}": false, "&a b": true, `"\u007f"`: false,
	} {
		text := fmt.Sprintf("apiVersion: v1\nkind: A\nmetadata: {name: a}\nvalue: %s\n", value)
		if got := checkPrinted(t, text); got != plain {
			t.Errorf("%s: %v", value, got)
		}
	}
	for name, content := range directory(t, filepath.Join("testdata", "overlay", "base")) {
		if name != "/kustomization.yaml" && !checkPrinted(t, content) {
			t.Errorf("%s goes the long way", name)
		}
	}
}

// Transformers make nodes that no text has.
func TestMadeNodes(t *testing.T) {
	for _, node := range []yaml.Node{
		{Kind: yaml.ScalarNode, Value: "1"}, {Kind: yaml.ScalarNode, Value: "a"}, {Kind: yaml.ScalarNode, Value: "true", Tag: yaml.NodeTagString}, {Kind: yaml.ScalarNode, Value: "3", Tag: yaml.NodeTagInt, Style: yaml.DoubleQuotedStyle},
		{Kind: yaml.ScalarNode, Value: "abc", Tag: yaml.NodeTagInt}, {Kind: yaml.ScalarNode, Value: "", Tag: yaml.NodeTagString}, {Kind: yaml.ScalarNode, Value: "", Tag: yaml.NodeTagNull}, {Kind: yaml.ScalarNode, Value: "2020-01-01", Tag: yaml.NodeTagString},
		{Kind: yaml.ScalarNode, Value: " 1", Tag: ""}, {Kind: yaml.ScalarNode, Value: "a: b"}, {Kind: yaml.ScalarNode, Value: "- a"}, {Kind: yaml.ScalarNode, Value: "3", Style: yaml.SingleQuotedStyle}, {Kind: yaml.ScalarNode, Value: "{", Tag: yaml.NodeTagString},
		{Kind: yaml.MappingNode}, {Kind: yaml.SequenceNode, Style: yaml.FlowStyle}, {Kind: yaml.ScalarNode, Value: "#a"}, {Kind: yaml.ScalarNode, Value: "null", Tag: yaml.NodeTagBool}, {Kind: yaml.ScalarNode, Value: "<<"},
	} {
		made, err := provider.NewDefaultDepProvider().GetResourceFactory().SliceFromBytes([]byte("apiVersion: v1\nkind: A\nmetadata: {name: a}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := made[0].PipeE(yaml.SetField("value", yaml.NewRNode(&node))); err != nil {
			t.Fatal(err)
		}
		got, gotErr := resourceYAML(made[0])
		want, wantErr := made[0].AsYAML()
		if string(got) != string(want) || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%+v\ngot  %s %v\nwant %s %v", node, got, gotErr, want, wantErr)
		}
	}
}
