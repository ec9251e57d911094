{{/* The release's name, which every object's name begins with. */}}
{{- define "pulssi.name" -}}
{{- if contains "pulssi" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-pulssi" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* What selects the pods of this release. */}}
{{- define "pulssi.selector" -}}
app.kubernetes.io/name: pulssi
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pulssi.labels" -}}
{{ include "pulssi.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "pulssi.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "pulssi.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "pulssi.name" .) }}
{{- end }}

{{/* The parts that run, with their ports: a YAML map. */}}
{{- define "pulssi.parts" -}}
worker: 6066
sink: 6067
{{- if .Values.wallboard.enabled }}
wallboard: 8080
{{- end }}
{{- if .Values.alerts.enabled }}
alerts: 6068
{{- end }}
{{- if .Values.hooks.enabled }}
hooks: 6069
{{- end }}
{{- if .Values.gateway.enabled }}
gateway: 8070
{{- end }}
{{- if .Values.follow.enabled }}
follow: 6070
{{- end }}
{{- end }}

{{/* Every name that a part is asked by; anything else is answered with 421. */}}
{{- define "pulssi.hosts" -}}
{{- $hosts := list }}
{{- range $part := keys (include "pulssi.parts" . | fromYaml) | sortAlpha }}
{{- $service := printf "%s-%s" (include "pulssi.name" $) $part }}
{{- $hosts = concat $hosts (list $service (printf "%s.%s" $service $.Release.Namespace) (printf "%s.%s.svc" $service $.Release.Namespace)) }}
{{- end }}
{{- range $ingress := .Values.ingress }}{{ if $ingress.enabled }}{{ $hosts = append $hosts $ingress.host }}{{ end }}{{ end }}
{{- join "," (concat $hosts .Values.allowedHosts) }}
{{- end }}
