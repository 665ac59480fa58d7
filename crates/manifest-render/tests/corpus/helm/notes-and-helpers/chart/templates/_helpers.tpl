{{- define "web.host" -}}
{{ .Release.Name }}.example.com
{{- end }}
