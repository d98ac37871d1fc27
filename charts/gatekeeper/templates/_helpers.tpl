{{- define "gatekeeper.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gatekeeper.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gatekeeper.labels" -}}
{{ include "gatekeeper.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gatekeeper.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "gatekeeper.certificateSecret" -}}
{{- if .Values.certificate.secretName -}}
{{ .Values.certificate.secretName }}
{{- else if .Values.certificate.certManager.enabled -}}
{{ include "gatekeeper.fullname" . }}-https
{{- else -}}
{{- fail "certificate.secretName names the Secret with the HTTPS certificate; or enable certificate.certManager" -}}
{{- end -}}
{{- end -}}

{{- define "gatekeeper.upstream" -}}
{{- if .Values.upstream.url -}}
{{ .Values.upstream.url }}
{{- else if eq .Values.mode "sidecar" -}}
http://127.0.0.1:{{ .Values.sidecar.port }}
{{- else -}}
{{- fail "upstream.url says where the app is, for example http://app:8000" -}}
{{- end -}}
{{- end -}}

{{- /* One file of a Secret or ConfigMap under the name that gatekeeper.toml knows. */ -}}
{{- define "gatekeeper.source" -}}
- {{ ternary "secret" "configMap" (eq .file.kind "Secret") }}:
    name: {{ .file.name }}
    items:
      - {key: {{ .file.key | quote }}, path: {{ .path }}}
{{- end -}}

{{/* The entries of client_auth.crl, as JSON. */}}
{{- define "gatekeeper.crl" -}}
{{- $crl := .Values.clientAuth.crl -}}
{{- toJson (concat (ternary (list "client-ca.crl") list $crl.enabled) $crl.urls (ternary (list "cdp") list $crl.distributionPoints)) -}}
{{- end }}

{{/* Not empty if lists are fetched by HTTP. */}}
{{- define "gatekeeper.fetchesCRL" -}}
{{- if or .Values.clientAuth.crl.urls .Values.clientAuth.crl.distributionPoints }}true{{ end -}}
{{- end }}
