{{/* Name of the operator: of its Deployment, Service, ServiceAccount, roles and lease. Proxies reach it under this name. */}}
{{- define "stratum.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if hasSuffix "operator" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-operator" (.Release.Name | trunc 41 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* What selects the operator's pods; it must never change, a Deployment cannot. */}}
{{- define "stratum.selector" -}}
app.kubernetes.io/name: stratum-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "stratum.labels" -}}
{{ include "stratum.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: loka-stratum
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "stratum.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "stratum.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* An image's reference, of a list: the image, and the root context. The digest wins over the tag. */}}
{{- define "stratum.image" -}}
{{- $image := index . 0 -}}
{{- $root := index . 1 -}}
{{- $registry := $image.registry | default $root.Values.global.imageRegistry -}}
{{- if $registry }}{{ trimSuffix "/" $registry }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* What the operator may do where StratumProxies live. docs/installing.md says why. */}}
{{- define "stratum.rules" -}}
- apiGroups: [stratum.loka.dev]
  resources: [stratumproxies, stratumpools]
  verbs: [get, list, watch]
- apiGroups: [stratum.loka.dev]
  resources: [stratumproxies/status, stratumpools/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services, serviceaccounts, configmaps, secrets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* Whom the operator's roles are given to. */}}
{{- define "stratum.subject" -}}
- kind: ServiceAccount
  name: {{ include "stratum.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
