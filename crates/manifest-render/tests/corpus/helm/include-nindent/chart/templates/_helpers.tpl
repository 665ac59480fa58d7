{{/* Labels of all objects. */}}
{{- define "web.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
{{ include "web.selector" . }}
{{- end -}}

{{- define "web.selector" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
