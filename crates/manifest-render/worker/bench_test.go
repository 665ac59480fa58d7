package main

import (
	"fmt"
	"testing"
)

func BenchmarkKustomize(b *testing.B) {
	files := base()
	list := "web.yaml, service.yaml"
	for at := range 8 {
		name := fmt.Sprintf("m%d.yaml", at)
		files["/base/"+name] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m%d}\ndata: {a: b}\n", at)
		list += ", " + name
	}
	files["/base/kustomization.yaml"] = "resources: [" + list + "]\n"
	files["/over/kustomization.yaml"] = `resources: [../base]
namespace: shop
namePrefix: prod-
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec: {template: {spec: {containers: [{name: side, image: "busybox:2"}]}}}
`
	for name, job := range map[string]kustomizeRequest{
		"build":          {},
		"edit and build": {Edits: [][]string{{"set", "image", "nginx=nginx:1.29"}}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := renderOver(files, job); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHelm(b *testing.B) {
	files := repository{"values.yaml": "image: {tag: a}\n"}
	for at := range 10 {
		files[fmt.Sprintf("templates/%d.yaml", at)] = fmt.Sprintf(configMap, fmt.Sprint(at), "  a: {{ .Values.image.tag }}\n{{ toYaml .Values | indent 2 }}")
	}
	files = chartOf(files)
	for b.Loop() {
		if _, _, err := renderChart(files, webRequest()); err != nil {
			b.Fatal(err)
		}
	}
}
