package main

import (
	yaml2 "go.yaml.in/yaml/v2"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// resourceYAML returns a resource as kustomize prints it. kustomize writes YAML, reads that, writes JSON and reads that as YAML, to
// print it at last; where no step changes anything, as with most resources, only the last is taken.
func resourceYAML(of *resource.Resource) ([]byte, error) {
	root := of.YNode()
	if root == nil || root.Kind != yaml.MappingNode {
		return of.AsYAML()
	}
	value, isPlain := plainValue(root)
	if !isPlain {
		return of.AsYAML()
	}
	return yaml2.Marshal(value)
}

// Longer keys are written and read in other ways.
const longestPlainKey = 100

// plainValue returns what a node is, or false where writing it and reading it again may make something else of it or fail.
func plainValue(node *yaml.Node) (any, bool) {
	if node.Anchor != "" || node.HeadComment != "" || node.LineComment != "" || node.FootComment != "" {
		return nil, false
	}
	switch node.Kind {
	case yaml.MappingNode:
		return plainMap(node)
	case yaml.SequenceNode:
		if node.Tag != "" && node.Tag != yaml.NodeTagSeq {
			return nil, false
		}
		list := make([]any, 0, len(node.Content))
		for _, child := range node.Content {
			value, isPlain := plainValue(child)
			if !isPlain {
				return nil, false
			}
			list = append(list, value)
		}
		return list, true
	case yaml.ScalarNode:
		return plainScalar(node)
	}
	return nil, false
}

func plainMap(node *yaml.Node) (any, bool) {
	if node.Tag != "" && node.Tag != yaml.NodeTagMap || len(node.Content)%2 != 0 {
		return nil, false
	}
	fields := make(map[string]any, len(node.Content)/2)
	for at := 0; at < len(node.Content); at += 2 {
		read, isPlain := plainValue(node.Content[at])
		name, isText := read.(string)
		if _, known := fields[name]; !isPlain || !isText || known || len(name) > longestPlainKey || name == "<<" {
			return nil, false
		}
		value, isPlain := plainValue(node.Content[at+1])
		if !isPlain {
			return nil, false
		}
		fields[name] = value
	}
	return fields, true
}

// plainScalar returns printable text on one line, or a number, truth value or null that is written as itself.
func plainScalar(node *yaml.Node) (any, bool) {
	quoted := yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle
	isQuoted := node.Style&quoted != 0
	if node.Style&^quoted != 0 || node.Value == "" && !isQuoted {
		return nil, false
	}
	for at := range len(node.Value) {
		if node.Value[at] < ' ' || node.Value[at] > '~' {
			return nil, false
		}
	}
	if node.Tag == yaml.NodeTagString || node.Tag == "" && isQuoted {
		return node.Value, true
	}
	bare := yaml.Node{Kind: yaml.ScalarNode, Value: node.Value}
	tag := bare.ShortTag()
	if isQuoted || node.Tag != "" && node.Tag != tag {
		return nil, false
	}
	switch tag {
	case yaml.NodeTagString:
		return node.Value, true
	case yaml.NodeTagInt, yaml.NodeTagBool, yaml.NodeTagNull:
		var value any
		err := bare.Decode(&value)
		return value, err == nil
	}
	return nil, false
}
