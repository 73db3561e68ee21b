{{- define "midas.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- /* name is the release's, with the chart's if that is another one. */ -}}
{{- define "midas.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 55 | trimSuffix "-" }}{{ else }}{{ printf "%s-midas" (.Release.Name | trunc 48 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "midas.metadata" -}}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "midas.selector" . | nindent 2 }}
{{- end }}

{{- /* collectorPorts is a list of the ports of the collector of traces, in YAML. */ -}}
{{- define "midas.collectorPorts" -}}
{{- $ports := .Values.networkPolicy.collectorPorts | default list }}
{{- with dig "traces" "endpoint" "" .Values.config }}
{{- if not $ports }}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) }}
{{- $ports = list (int $port) }}
{{- end }}
{{- end }}
{{- $ports | toYaml }}
{{- end }}

{{- /* config is the configuration file. The chart sets the addresses, since ports and probes name them. */ -}}
{{- define "midas.config" -}}
{{- $name := include "midas.name" . }}
{{- $host := printf "%s.%s.svc" $name .Release.Namespace }}
{{- $port := ternary "" (printf ":%v" .Values.service.port) (eq (int .Values.service.port) 443) }}
{{- $names := concat (list $name (printf "%s.%s" $name .Release.Namespace) $host (printf "%s.cluster.local" $host)) (get .Values.config "names" | default list) }}
{{- $set := dict "data" "/var/lib/midas/data" "listen" ":8443" "ops" ":9090" "names" $names }}
{{- $set = merge $set (dict "origin" (.Values.origin | default (printf "https://%s%s" $host $port))) }}
{{- with .Values.tls.secret }}
{{- $tls := dict "cert" "/etc/midas/tls/tls.crt" "key" "/etc/midas/tls/tls.key" }}
{{- if $.Values.tls.ca }}{{ $_ := set $tls "ca" "/etc/midas/tls/ca.crt" }}{{ end }}
{{- $_ := set $set "tls" $tls }}
{{- end }}
{{- with .Values.agents }}
{{- if .enabled }}
{{- $_ := set $set "agents" (dict "listen" ":8444" "origin" (.origin | default (printf "https://%s-agents.%s.svc:%v" $name $.Release.Namespace .service.port))) }}
{{- end }}
{{- end }}
{{- merge $set .Values.config (dict "log" (dict "format" "json") "shutdownTimeout" "20s") | toYaml }}
{{- end }}
