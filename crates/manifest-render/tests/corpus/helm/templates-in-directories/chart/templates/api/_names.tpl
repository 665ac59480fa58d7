{{- define "web.name" }}deep-{{ . }}{{ end }}
