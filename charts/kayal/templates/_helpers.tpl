{{- define "kayal.driver" -}}csi.kayal.storage{{- end }}

{{- define "kayal.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What never changes, for selectors. */}}
{{- define "kayal.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kayal.labels" -}}
{{ include "kayal.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "kayal.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "kayal.controllerAccount" -}}
{{ .Values.serviceAccounts.controller.name | default (printf "%s-controller" (include "kayal.fullname" .)) }}
{{- end }}

{{- define "kayal.nodeAccount" -}}
{{ .Values.serviceAccounts.node.name | default (printf "%s-node" (include "kayal.fullname" .)) }}
{{- end }}

{{/* "true" when a pool is mounted by a GlusterFS client. */}}
{{- define "kayal.hasFuse" -}}
{{- range .Values.pools }}{{ if eq .type "gluster" }}true{{ break }}{{ end }}{{ end -}}
{{- end }}

{{/* "true" when GlusterFS clients have a container of their own. */}}
{{- define "kayal.hasMounter" -}}
{{- if and .Values.mounter.enabled (include "kayal.hasFuse" .) }}true{{ end -}}
{{- end }}

{{/* The directory that the mounter locks, on the node. */}}
{{- define "kayal.mounterLock" -}}
{{ printf "%s/plugins/%s/mounter" .Values.kubeletDir (include "kayal.driver" .) }}
{{- end }}

{{/* "true" when csi-snapshotter runs. */}}
{{- define "kayal.hasSnapshots" -}}
{{- $wanted := toString .Values.snapshotter.enabled -}}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.Capabilities.APIVersions.Has "snapshot.storage.k8s.io/v1/VolumeSnapshot")) }}true{{ end -}}
{{- end }}

{{/* The node of the directory pools that only one node has; the controller has to run there. */}}
{{- define "kayal.poolNode" -}}
{{- $nodes := list -}}
{{- range .Values.pools }}{{ with .node }}{{ $nodes = append $nodes . }}{{ end }}{{ end -}}
{{- $nodes = uniq $nodes -}}
{{- if gt (len $nodes) 1 -}}
{{- fail (printf "pools: directories of several nodes (%s) cannot be in one installation, as its one controller has to run where the directory is" (join ", " $nodes)) -}}
{{- end -}}
{{- first $nodes | default "" -}}
{{- end }}

{{/* Tight enough for a program that only talks to the API server and to a socket. */}}
{{- define "kayal.sidecarSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* A sidecar of the controller. Arguments: root, name, values, args (a list). */}}
{{- define "kayal.sidecar" -}}
- name: {{ .name }}
  image: {{ .values.image.repository }}:{{ .values.image.tag }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
    - --csi-address=/csi/csi.sock
    - --v=2
    {{- range concat .args (.values.extraArgs | default list) }}
    - {{ . | quote }}
    {{- end }}
  env:
    - name: POD_NAME
      valueFrom: { fieldRef: { fieldPath: metadata.name } }
    - name: NAMESPACE
      valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
  securityContext:
    {{- include "kayal.sidecarSecurity" . | nindent 4 }}
  resources:
    {{- toYaml .values.resources | nindent 4 }}
  volumeMounts:
    - name: socket
      mountPath: /csi
{{- end }}

{{/* What all sidecars of the controller are given that write to the API server. */}}
{{- define "kayal.sidecarArgs" -}}
{{- $args := list
  (printf "--timeout=%s" .values.timeout)
  (printf "--%s=%d" .threadsFlag (int .values.workerThreads))
  "--leader-election"
  (printf "--leader-election-namespace=%s" .root.Release.Namespace)
  (printf "--kube-api-qps=%v" .values.kubeApiQps)
  (printf "--kube-api-burst=%d" (int .values.kubeApiBurst))
  (printf "--retry-interval-start=%s" "1s")
  (printf "--retry-interval-max=%s" "1m") -}}
{{- toYaml $args -}}
{{- end }}

{{- define "kayal.probes" -}}
{{- $port := ternary "liveness" "metrics" .root.Values.standardSidecars.livenessProbe -}}
livenessProbe:
  # Never touches storage: a pool that is down must not get its clients killed.
  httpGet: { path: /healthz, port: {{ $port }} }
  initialDelaySeconds: 10
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 5
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}

{{- /* What the controller and the node role have to agree on. */ -}}
{{- define "kayal.attachArgs" -}}
- --attach={{ ternary "yes" "no" .Values.attach.enabled }}
{{- with .Values.attach.maxVolumesPerNode }}
- --max-volumes-per-node={{ int . }}
{{- end }}
{{- end }}
