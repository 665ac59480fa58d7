{{- define "web.check" }}
{{- if eq (mod .Values.replicas 2) 0 }}
{{- fail (printf "replicas must be odd: %v" .Values.replicas) }}
{{- end }}
{{- end }}
