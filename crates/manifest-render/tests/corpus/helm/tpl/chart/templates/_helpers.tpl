{{- define "web.path" }}v{{ .version }}{{ end }}
