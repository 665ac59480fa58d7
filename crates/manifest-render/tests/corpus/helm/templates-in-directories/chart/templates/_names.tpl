{{- define "web.name" }}shallow-{{ . }}{{ end }}
