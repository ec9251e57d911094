{{/* Settings that every pod gets. */}}
{{- define "pulssi.environment" -}}
- {name: PULSSI_KAFKA_BROKERS, value: {{ .Values.kafka.brokers | quote }}}
- {name: PULSSI_CLICKHOUSE_URL_FILE, value: /etc/pulssi-clickhouse/url}
- {name: PULSSI_CLICKHOUSE_DATABASE, value: {{ .Values.clickhouse.database | quote }}}
{{- if .Values.clickhouse.cluster }}
- {name: PULSSI_CLICKHOUSE_CLUSTER, value: {{ .Values.clickhouse.cluster | quote }}}
- {name: PULSSI_CLICKHOUSE_QUORUM, value: {{ .Values.clickhouse.quorum | quote }}}
{{- end }}
- {name: PULSSI_APPLICATION, value: {{ .Values.application | quote }}}
- {name: PULSSI_PARTITIONS, value: {{ .Values.kafka.partitions | quote }}}
- {name: PULSSI_REPLICATION, value: {{ .Values.kafka.replication | quote }}}
- {name: PULSSI_BIND, value: "0.0.0.0"}
- {name: PULSSI_LOG_LEVEL, value: {{ .Values.logLevel }}}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "pulssi.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "pulssi.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: {drop: [ALL]}
{{- end }}

{{/* ClickHouse's address, by the key of the secret: dict root, key. */}}
{{- define "pulssi.clickhouseVolume" -}}
- name: clickhouse
  secret:
    secretName: {{ .root.Values.clickhouse.existingSecret }}
    items: [{key: {{ .key | quote }}, path: url}]
{{- end }}

{{- define "pulssi.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
The pod of a part. dict: root, name, args, port, part (its values).
Configuration is read again when it changes, so that a change of it restarts nothing.
*/}}
{{- define "pulssi.pod" -}}
metadata:
  labels:
    {{- include "pulssi.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  {{- with .root.Values.podAnnotations }}
  annotations: {{ toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "pulssi.serviceAccount" .root }}
  automountServiceAccountToken: false
  # A service pulssi-wallboard would give every pod a variable PULSSI_WALLBOARD_PORT, which is a setting.
  enableServiceLinks: false
  terminationGracePeriodSeconds: 45
  securityContext:
    {{- include "pulssi.podSecurity" .root | nindent 4 }}
  {{- include "pulssi.placement" .root | nindent 2 }}
  containers:
    - name: {{ .name }}
      image: {{ include "pulssi.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      securityContext:
        {{- include "pulssi.containerSecurity" .root | nindent 8 }}
      ports: [{name: http, containerPort: {{ .port }}}]
      env:
        {{- include "pulssi.environment" .root | nindent 8 }}
        - {name: PULSSI_CONFIG, value: /etc/pulssi}
        - {name: PULSSI_ALLOWED_HOSTS, value: {{ include "pulssi.hosts" .root | quote }}}
        {{- if and (eq .name "worker") .part.named (not .root.Values.autoscaling.enabled) }}
        - {name: PULSSI_WORKER_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: PULSSI_WORKER_AWAY_S, value: {{ .part.awaySeconds | quote }}}
        {{- end }}
        {{- if has .name (list "wallboard" "gateway") }}
        - {name: PULSSI_WALLBOARD_TOKEN_FILE, value: /etc/pulssi-wallboard/token}
        {{- with .root.Values.trustedProxies }}
        - {name: PULSSI_WALLBOARD_PROXY_FROM, value: {{ join "," . | quote }}}
        {{- end }}
        {{- end }}
        {{- if eq .name "wallboard" }}
        - {name: PULSSI_WALLBOARD_SESSION_KEY_FILE, value: /etc/pulssi-wallboard/sessionKey}
        {{- if .part.passwordHash }}
        - {name: PULSSI_WALLBOARD_PASSWORD_HASH_FILE, value: /etc/pulssi-wallboard/passwordHash}
        {{- end }}
        {{- end }}
      # Reading the journals at a start may take a while; from then on: progress, not just life. Of what holds a worker up,
      # a restart ends only some: it asks for that.
      {{- $alive := eq .name "worker" | ternary "/livez" "/healthz" }}
      startupProbe: {httpGet: {path: {{ $alive }}, port: http}, periodSeconds: 3, timeoutSeconds: 5, failureThreshold: 100}
      livenessProbe: {httpGet: {path: {{ $alive }}, port: http}, periodSeconds: 15, timeoutSeconds: 5, failureThreshold: 4}
      readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2}
      resources: {{ toYaml .part.resources | nindent 8 }}
      volumeMounts:
        - {name: data, mountPath: /var/lib/pulssi}
        - {name: tmp, mountPath: /tmp}
        - {name: configuration, mountPath: /etc/pulssi, readOnly: true}
        - {name: clickhouse, mountPath: /etc/pulssi-clickhouse, readOnly: true}
        {{- if has .name (list "wallboard" "gateway") }}
        - {name: wallboard, mountPath: /etc/pulssi-wallboard, readOnly: true}
        {{- end }}
        {{- if .root.Values.existingSecretFiles }}
        - {name: files, mountPath: /etc/pulssi-secrets, readOnly: true}
        {{- end }}
  volumes:
    - name: data
      emptyDir: {sizeLimit: 1Gi}
    - name: tmp
      emptyDir: {sizeLimit: 256Mi}
    - name: configuration
      configMap: {name: {{ .root.Values.existingConfigMap | default (printf "%s-configuration" (include "pulssi.name" .root)) }}}
    {{- include "pulssi.clickhouseVolume" (dict "root" .root "key" .root.Values.clickhouse.urlKey) | nindent 4 }}
    {{- if has .name (list "wallboard" "gateway") }}
    - name: wallboard
      secret: {secretName: {{ .root.Values.wallboard.existingSecret }}}
    {{- end }}
    {{- with .root.Values.existingSecretFiles }}
    - name: files
      secret: {secretName: {{ . }}}
    {{- end }}
{{- end }}
