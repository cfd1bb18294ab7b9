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

{{- define "kayal.operatorAccount" -}}
{{ .Values.serviceAccounts.operator.name | default (printf "%s-operator" (include "kayal.fullname" .)) }}
{{- end }}

{{/* The Secret with the pools of StoragePool objects; the operator makes it. */}}
{{- define "kayal.poolsSecret" -}}
{{ include "kayal.fullname" . }}-pools
{{- end }}

{{- define "kayal.poolsMount" -}}
{{- if .Values.operator.enabled }}
- { name: pools, mountPath: /etc/kayal-pools, readOnly: true }
{{- end }}
{{- end }}

{{- define "kayal.poolsVolume" -}}
{{- if .Values.operator.enabled }}
- name: pools
  # There is none until the first pool is there. 0400
  secret: { secretName: {{ include "kayal.poolsSecret" . }}, optional: true, defaultMode: 256 }
{{- end }}
{{- end }}

{{/* "true" when a pool is mounted by a GlusterFS client. */}}
{{- define "kayal.hasFuse" -}}
{{- if .Values.operator.enabled }}true{{ else -}}
{{- range .Values.pools }}{{ if eq .type "gluster" }}true{{ break }}{{ end }}{{ end -}}
{{- end -}}
{{- end }}

{{/* "true" when GlusterFS clients have a container of their own. */}}
{{- define "kayal.hasMounter" -}}
{{- if and .Values.mounter.enabled (include "kayal.hasFuse" .) }}true{{ end -}}
{{- end }}

{{/* The directory that the mounter locks, on the node. Argument: kubelet's directory there. */}}
{{- define "kayal.mounterLock" -}}
{{ . }}/plugins/{{ include "kayal.driver" . }}/mounter
{{- end }}

{{/*
One entry per kubelet directory, as a JSON object: name (of the nodes that have it), suffix (of its DaemonSets' names),
kubeletDir, nodeSelector, affinity. The first one is for all nodes that none of otherKubeletDirs takes.
*/}}
{{- define "kayal.nodeSets" -}}
{{- $n := .Values.node -}}
{{- $names := list -}}
{{- range .Values.otherKubeletDirs }}{{ $names = append $names .name }}{{ end -}}
{{- if ne (len $names) (len (uniq $names)) -}}
{{- fail (printf "otherKubeletDirs: two have the same name (%s), and the names of their DaemonSets come from it" (join ", " $names)) -}}
{{- end -}}
{{- $taken := list -}}
{{- range .Values.otherKubeletDirs -}}
{{- range $key, $value := .nodeSelector -}}
{{- $taken = append $taken (dict "key" $key "operator" "NotIn" "values" (list $value)) -}}
{{- end -}}
{{- end -}}
{{- $affinity := deepCopy ($n.affinity | default dict) -}}
{{- if $taken -}}
{{- $required := dig "nodeAffinity" "requiredDuringSchedulingIgnoredDuringExecution" dict $affinity -}}
{{- $terms := list -}}
{{- /* Terms are alternatives, and the expressions of one all have to be true. */ -}}
{{- range ($required.nodeSelectorTerms | default (list dict)) -}}
{{- $terms = append $terms (merge (dict "matchExpressions" (concat (.matchExpressions | default list) $taken)) .) -}}
{{- end -}}
{{- $own := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- $affinity = mergeOverwrite $affinity (dict "nodeAffinity" $own) -}}
{{- end -}}
{{- $sets := list (dict "name" "default" "suffix" "" "kubeletDir" .Values.kubeletDir "nodeSelector" $n.nodeSelector "affinity" $affinity) -}}
{{- range .Values.otherKubeletDirs -}}
{{- $selector := merge (deepCopy .nodeSelector) $n.nodeSelector -}}
{{- $sets = append $sets (dict "name" .name "suffix" (printf "-%s" .name) "kubeletDir" .kubeletDir "nodeSelector" $selector "affinity" $n.affinity) -}}
{{- end -}}
{{- toJson $sets -}}
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

{{/* Mounts of the certificates of pools, the same in every container that runs or looks after GlusterFS clients. */}}
{{- define "kayal.tlsMounts" -}}
{{- range .Values.pools }}
{{- if and (eq .type "gluster") (dig "tls" "management" false .) (not $.Values.tls.management) }}
{{- fail (printf "pools: %s has tls.management: name the Secret with its certificate in the value tls.management" .name) }}
{{- end }}
{{- end }}
{{- range $index, $name := .Values.tls.secrets }}
- { name: tls-{{ $index }}, mountPath: {{ printf "/etc/kayal-tls/%s" $name | quote }}, readOnly: true }
{{- end }}
{{- if .Values.tls.management }}
# Nothing else of /etc/ssl is used, and a mount of the whole follows a Secret that is renewed.
- { name: tls-management, mountPath: /etc/ssl, readOnly: true }
{{- end }}
{{- end }}

{{- define "kayal.tlsVolumes" -}}
{{- range $index, $name := .Values.tls.secrets }}
- name: tls-{{ $index }}
  secret: { secretName: {{ $name | quote }}, defaultMode: 256 }
{{- end }}
{{- with .Values.tls.management }}
- name: tls-management
  secret:
    secretName: {{ . | quote }}
    # 0400
    defaultMode: 256
    items:
      - { key: tls.crt, path: glusterfs.pem }
      - { key: tls.key, path: glusterfs.key }
      - { key: ca.crt, path: glusterfs.ca }
{{- end }}
{{- end }}
