{{- define "eksauthd.image" -}}
{{- with .Values.image -}}
{{- /* A webhook whose pods cannot start would keep all others from starting. */ -}}
{{- $repository := required "image.repository is where you pushed the image: docs/guides/image.md" .repository -}}
{{- if .digest -}}{{ $repository }}@{{ .digest }}{{- else -}}{{ $repository }}:{{ .tag }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* What is the same in every container. */}}
{{- define "eksauthd.container" -}}
image: {{ include "eksauthd.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a part's pods run; give the part's values and those of the chart. */}}
{{- define "eksauthd.scheduling" -}}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .part.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- with .part.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end -}}

{{/* The pods of a server that has replicas; give its name. */}}
{{- define "eksauthd.spread" -}}
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {app.kubernetes.io/name: {{ . }}}
  matchLabelKeys: [pod-template-hash] # those that are about to be replaced do not count
terminationGracePeriodSeconds: 30 # the delay of the shutdown, and 20 s for what it took
{{- end -}}

{{/* How many pods of a server a drained node leaves, if there are several; give the name
of its pods, and that of its values. */}}
{{- define "eksauthd.disruptionBudget" -}}
{{- $replicas := int .part.replicas }}
{{- if gt $replicas 1 }}
{{- $least := .part.minAvailable }}
{{- if kindIs "string" $least }}
{{- /* Kubernetes rounds up. */}}
{{- $least = div (add (mul (int (trimSuffix "%" $least)) $replicas) 99) 100 }}
{{- end }}
{{- if ge (int $least) $replicas }}
{{- fail (printf "%s.minAvailable must be less than %s.replicas, or no node with one of them can be drained" .value .value) }}
{{- end }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: {{ .name }}, namespace: {{ .root.Release.Namespace }}}
spec:
  minAvailable: {{ .part.minAvailable }}
  # One that does not answer protects nothing.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {app.kubernetes.io/name: {{ .name }}}
{{- end }}
{{- end -}}

{{- define "eksauthd.restricted" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* The labels and annotations of a part's pods; give its name and values. */}}
{{- define "eksauthd.podMetadata" -}}
labels:
  app.kubernetes.io/name: {{ .name }}
  {{- with omit .part.podLabels "app.kubernetes.io/name" }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Whether the authenticator has a source, now or by its dynamicBackendModePath. */}}
{{- define "eksauthd.source" -}}
{{- $server := .root.Values.authenticator.config.server | default dict -}}
{{- $modes := concat ($server.backendMode | default list) .root.Values.authenticator.furtherSources -}}
{{- if and .root.Values.authenticator.enabled (has .name $modes) }}yes{{ end -}}
{{- end -}}

{{/* Who the authenticator is in the cluster. */}}
{{- define "eksauthd.authenticatorSubjects" -}}
{{- with .Values.authenticator }}
{{- if .user }}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: {{ .user | quote }}}
{{- end }}
{{- if .daemonSet }}
- {kind: ServiceAccount, name: eksauthd-authenticator, namespace: {{ .namespace }}}
{{- end }}
{{- end }}
{{- end -}}
