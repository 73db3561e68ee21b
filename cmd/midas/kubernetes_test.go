package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"midas/internal/bindingproxy/clustertest"
)

// podProgram is the program of a pod: it prints a token that azidentity gets with the variables and files of the pod. Its
// arguments are the options that the program sets.
func podProgram() {
	options := &azidentity.WorkloadIdentityCredentialOptions{}
	for _, option := range os.Args[1:] {
		options.EnableAzureProxy = options.EnableAzureProxy || option == "EnableAzureProxy"
		options.DisableInstanceDiscovery = options.DisableInstanceDiscovery || option == "DisableInstanceDiscovery"
	}
	credential, err := azidentity.NewWorkloadIdentityCredential(options)
	if err == nil {
		var token string
		if token, err = tokenOf(credential); err == nil {
			fmt.Print(token)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func tokenOf(credential *azidentity.WorkloadIdentityCredential) (string, error) {
	token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	return token.Token, err
}

// kubernetesPage is docs/kubernetes.md at work: a server, a cluster, and what the page's commands have made.
type kubernetesPage struct {
	cluster  *clustertest.Cluster
	data     string // folder of the server
	server   *process
	commands []string // blocks of shell
	yaml     []string // blocks
	config   string   // the webhook's file
	objects  string   // folder of Secrets and ConfigMaps: NAMESPACE/KIND/NAME/KEY
	clientID string
	tenant   string
}

// kubectlShim is what the page's commands call. It asks the cluster, keeps Secrets and ConfigMaps as files, and lets the
// real kubectl check its arguments where there is one.
const kubectlShim = `
kubectl() {
  if [ -n "$(type -P kubectl)" ] && [[ " $* " = *" create "* ]]; then command kubectl "$@" --dry-run=client -o name >/dev/null; fi
  local namespace=default
  if [ "$1" = --namespace ]; then namespace=$2; shift 2; fi
  case "$1 $2" in
  "get --raw") curl -sS --fail --cacert "$CLUSTER_CA" "$CLUSTER_URL$3" ;;
  "apply -f") test -s "$3" ;;
  "create secret") at="$OBJECTS/$namespace/secret/$4"; mkdir -p "$at"; cp "$6" "$at/tls.crt"; cp "$8" "$at/tls.key" ;;
  "create configmap") at="$OBJECTS/$namespace/configmap/$3"; mkdir -p "$at"; file=${4#--from-file=}; cp "${file#*=}" "$at/${file%%=*}" ;;
  *) echo "kubectl $* is not known here" >&2; return 1 ;;
  esac
}
`

// TestKubernetesPageComesTrue runs the commands and the manifests of docs/kubernetes.md, with an unmodified azidentity
// in a process of its own for the pod: once with the proxy, and once with what Azure's webhook gives to a pod.
func TestKubernetesPageComesTrue(t *testing.T) {
	p := openKubernetesPage(t)
	p.run(t, p.commands[0]) // the keys and the configuration
	p.serve(t)
	defer func() { p.server.end(t, os.Interrupt) }()
	for _, name := range []string{"proxy.yaml", "workload.yaml"} {
		if err := os.WriteFile(name, []byte(p.manifest(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.run(t, p.commands[0:]...)
	objects := p.cluster.Apply(p.manifest("proxy.yaml") + "\n---\n" + p.manifest("workload.yaml"))
	var deployment *appsv1.Deployment
	var pod *corev1.Pod
	for _, object := range objects {
		switch o := object.(type) {
		case *appsv1.Deployment:
			deployment = o
		case *corev1.Pod:
			pod = o
		}
	}
	proxy, end := p.startProxy(t, deployment)
	defer end()
	variables := p.variables(t, pod)
	variables["AZURE_KUBERNETES_TOKEN_PROXY"] = proxy

	for name, c := range map[string]struct {
		options   []string
		variables map[string]string
	}{
		"identity binding":                           {[]string{"EnableAzureProxy"}, variables},
		"workload identity":                          {[]string{"DisableInstanceDiscovery"}, p.webhook(t, p.tenant)},
		"workload identity, a program that is as is": {nil, p.webhook(t, "adfs")},
	} {
		t.Run(name, func(t *testing.T) {
			token, errs, ok := p.workload(t, c.variables, c.options...)
			if !ok {
				t.Fatal(errs)
			}
			if !p.readsGroup(t, token) {
				t.Error("the token does not open the group")
			}
		})
	}

	t.Run("more service accounts than credentials", func(t *testing.T) { p.useByMany(t, variables) })

	p.cluster.RemoveBindings("use-app")
	if token, errs, ok := p.workload(t, variables, "EnableAzureProxy"); ok || !strings.Contains(errs, "AADSTS700213") {
		t.Errorf("without the permission: %s%s", token, errs)
	}
}

// useByMany gets tokens for more service accounts than an identity may have federated credentials.
func (p *kubernetesPage) useByMany(t *testing.T, variables map[string]string) {
	t.Helper()
	for i := range 21 {
		account := fmt.Sprint("account-", i)
		p.cluster.Allow("shop", account, p.clientID)
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, p.cluster.Token(clustertest.Pod{Namespace: "shop", Account: account, Name: account}, time.Hour, "api://AKSIdentityBinding"))
		own := maps.Clone(variables)
		own["AZURE_FEDERATED_TOKEN_FILE"] = file
		if token, errs, ok := p.workload(t, own, "EnableAzureProxy"); !ok || token == "" {
			t.Fatalf("%s: %s", account, errs)
		}
	}
}

// A server reads the documents of a cluster's issuer at a private address only if its configuration allows it, and
// trusts only the cluster's own CA for them.
func TestClusterIssuerAtAPrivateAddress(t *testing.T) {
	for name, c := range map[string]struct{ row, refusal string }{
		"allowed, with its CA": {"private: true, ca: \"CA\"", ""},
		"without its CA":       {"private: true", "AADSTS501661"},
		"not allowed":          {"ca: \"CA\"", "AADSTS501661"},
	} {
		t.Run(name, func(t *testing.T) {
			p := openKubernetesPage(t)
			write(t, "midas.yaml", "issuers:\n- {issuer: \""+p.cluster.URL+"\", "+strings.Replace(c.row, "CA", p.cluster.CAFile, 1)+"}\n")
			p.serve(t)
			defer func() { p.server.end(t, os.Interrupt) }()
			p.run(t, p.commands[0], p.commands[1])
			token, errs, ok := p.workload(t, p.webhook(t, "adfs"))
			if ok != (c.refusal == "") || !strings.Contains(errs, c.refusal) || ok && !p.readsGroup(t, token) {
				t.Errorf("%t %s", ok, errs)
			}
		})
	}
}

// openKubernetesPage reads the page and goes to a folder of its own.
func openKubernetesPage(t *testing.T) *kubernetesPage {
	t.Helper()
	text, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	p := &kubernetesPage{cluster: clustertest.Start(t), data: filepath.Join(dir, "data"), objects: filepath.Join(dir, "objects")}
	for _, block := range regexp.MustCompile("(?s)```(sh|yaml|json)\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		switch block[1] {
		case "sh":
			p.commands = append(p.commands, block[2])
		case "yaml":
			p.yaml = append(p.yaml, block[2])
		default:
			p.config = block[2]
		}
	}
	if len(p.commands) != 4 || len(p.yaml) != 3 || p.config == "" {
		t.Fatalf("%d blocks of commands, %d of YAML", len(p.commands), len(p.yaml))
	}
	return p
}

// manifest is a file of the page, with this server's tenant and the identity's client id.
func (p *kubernetesPage) manifest(name string) string {
	block := p.yaml[map[string]int{"proxy.yaml": 1, "workload.yaml": 2}[name]]
	return strings.NewReplacer("11111111-1111-4111-8111-111111111111", p.tenant, "aaaaaaaa-0000-4000-8000-00000000000a", p.clientID).Replace(block)
}

// serve starts the server with the page's configuration, and makes an identity that may read its group.
func (p *kubernetesPage) serve(t *testing.T) {
	t.Helper()
	p.server = startServer(t, p.data, "--config", "midas.yaml")
	p.tenant = readAdmin(t, p.data)["tenantId"]
	group := p.group(t)
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app?api-version=2024-11-30"
	sendARM(t, p.data, p.server.url, "PUT", group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	sendARM(t, p.data, p.server.url, "PUT", identity, `{"location":"eastus"}`)
	var made struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	if err := json.Unmarshal([]byte(bearer(t, p.data, p.server.url+identity, strings.TrimSpace(told(t, p.data, "token")))), &made); err != nil {
		t.Fatal(err)
	}
	p.clientID = made.Properties.ClientID
	sendARM(t, p.data, p.server.url, "PUT", group+"/providers/Microsoft.Authorization/roleAssignments/22222222-0000-4000-8000-000000000001?api-version=2022-04-01",
		fmt.Sprintf(`{"properties":{"roleDefinitionId":"%s/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":%q,"principalType":"ServicePrincipal"}}`,
			group, made.Properties.PrincipalID))
}

// run runs commands of the page in one shell.
func (p *kubernetesPage) run(t *testing.T, commands ...string) {
	t.Helper()
	script := "set -euo pipefail\n" + kubectlShim
	shell := exec.CommandContext(t.Context(), "bash", "-c", script+strings.Join(commands, "\n"))
	shell.Env = append(os.Environ(), "MIDAS_DATA="+p.data, "CLUSTER_URL="+p.cluster.URL, "CLUSTER_CA="+p.cluster.CAFile, "OBJECTS="+p.objects, "no_proxy=*", "KUBECONFIG=/dev/null")
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// startProxy runs the proxy with the arguments of its Deployment and the files of its volumes. It returns its URL, and
// what ends it.
func (p *kubernetesPage) startProxy(t *testing.T, d *appsv1.Deployment) (address string, end func()) {
	t.Helper()
	spec := d.Spec.Template.Spec
	own := clustertest.Pod{Namespace: d.Namespace, Account: spec.ServiceAccountName, Name: d.Name + "-1"}
	mounted := p.mount(t, spec, own)
	api := filepath.Join(t.TempDir(), "token")
	write(t, api, p.cluster.Token(own, time.Hour, clustertest.APIAudience))
	args := append([]string{}, spec.Containers[0].Command[1:]...)
	for _, arg := range append(spec.Containers[0].Args, "--assertion=/var/run/secrets/midas/token", "--certificate=/etc/midas/tls/tls.crt", "--key=/etc/midas/tls/tls.key") {
		args = append(args, strings.Replace(mounted.Replace(arg), "https://midas.example:8443", p.server.url, 1))
	}
	args = append(args, "--listen=127.0.0.1:0", "--api-server="+p.cluster.URL, "--api-ca="+p.cluster.CAFile, "--api-token="+api)
	proxy := exec.CommandContext(t.Context(), "midas", args...)
	var log strings.Builder
	proxy.Stderr = &log
	out, err := proxy.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	address, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ready {
		_ = proxy.Wait() // the log is complete after it
		t.Fatalf("it is not ready: %q %s", line, log.String())
	}
	return address, func() {
		_ = proxy.Process.Signal(os.Interrupt)
		if err := proxy.Wait(); err != nil || strings.Contains(log.String(), "eyJ") || !strings.Contains(log.String(), "token granted") {
			t.Errorf("%v\n%s", err, log.String())
		}
	}
}

// mount writes the files of a pod's volumes, as the kubelet does, and returns what replaces the paths of the mounts.
func (p *kubernetesPage) mount(t *testing.T, spec corev1.PodSpec, pod clustertest.Pod) *strings.Replacer {
	t.Helper()
	var paths []string
	for _, m := range spec.Containers[0].VolumeMounts {
		dir := t.TempDir()
		paths = append(paths, m.MountPath, dir)
		for _, v := range spec.Volumes {
			if v.Name != m.Name {
				continue
			}
			switch {
			case v.Secret != nil:
				p.copy(t, filepath.Join(pod.Namespace, "secret", v.Secret.SecretName), dir, nil)
			case v.ConfigMap != nil:
				p.copy(t, filepath.Join(pod.Namespace, "configmap", v.ConfigMap.Name), dir, nil)
			case v.Projected != nil:
				for _, source := range v.Projected.Sources {
					if s := source.ServiceAccountToken; s != nil {
						write(t, filepath.Join(dir, s.Path), p.cluster.Token(pod, time.Duration(*s.ExpirationSeconds)*time.Second, s.Audience))
					} else {
						p.copy(t, filepath.Join(pod.Namespace, "configmap", source.ConfigMap.Name), dir, source.ConfigMap.Items)
					}
				}
			}
		}
	}
	return strings.NewReplacer(paths...)
}

// copy writes the keys of a Secret or ConfigMap as files.
func (p *kubernetesPage) copy(t *testing.T, object, dir string, items []corev1.KeyToPath) {
	t.Helper()
	if items == nil {
		entries, err := os.ReadDir(filepath.Join(p.objects, object))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			items = append(items, corev1.KeyToPath{Key: e.Name(), Path: e.Name()})
		}
	}
	for _, item := range items {
		text, err := os.ReadFile(filepath.Join(p.objects, object, item.Key))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, item.Path), string(text))
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// variables are those of the page's pod.
func (p *kubernetesPage) variables(t *testing.T, pod *corev1.Pod) map[string]string {
	t.Helper()
	mounted := p.mount(t, pod.Spec, clustertest.Pod{Namespace: pod.Namespace, Account: pod.Spec.ServiceAccountName, Name: pod.Name})
	all := map[string]string{}
	for _, v := range pod.Spec.Containers[0].Env {
		all[v.Name] = mounted.Replace(v.Value)
	}
	return all
}

// webhook is what Azure's webhook gives to a pod: four variables, and the token below the volume's path. The authority is
// what go-autorest reads from the page's file. SSL_CERT_FILE is the pod's own.
func (p *kubernetesPage) webhook(t *testing.T, tenant string) map[string]string {
	t.Helper()
	var environment struct {
		Authority string `json:"activeDirectoryEndpoint"`
	}
	if err := json.Unmarshal([]byte(p.config), &environment); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "var/run/secrets/azure/wi/token/azure-identity-token")
	write(t, file, p.cluster.Token(clustertest.Pod{Namespace: "shop", Account: "web", Name: "web-2"}, time.Hour, "api://AzureADTokenExchange"))
	return map[string]string{
		"AZURE_CLIENT_ID": p.clientID, "AZURE_TENANT_ID": tenant, "AZURE_FEDERATED_TOKEN_FILE": file,
		"AZURE_AUTHORITY_HOST": strings.Replace(environment.Authority, "https://midas.example:8443", p.server.url, 1),
		"SSL_CERT_FILE":        filepath.Join(p.data, "ca.pem"),
	}
}

// workload runs the program of a pod with these variables and no other. Requests to other machines than this one fail.
func (p *kubernetesPage) workload(t *testing.T, variables map[string]string, options ...string) (token, errs string, ok bool) {
	t.Helper()
	program := exec.CommandContext(t.Context(), "workload", options...)
	program.Env = []string{"HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1"}
	for name, value := range variables {
		program.Env = append(program.Env, name+"="+value)
	}
	var out, failure strings.Builder
	program.Stdout, program.Stderr = &out, &failure
	err := program.Run()
	return out.String(), failure.String(), err == nil
}

// readsGroup reports whether a token opens the resource group at Azure Resource Manager.
func (p *kubernetesPage) readsGroup(t *testing.T, token string) bool {
	t.Helper()
	return strings.Contains(bearer(t, p.data, p.server.url+p.group(t)+"?api-version=2021-04-01", token), `"name":"rg1"`)
}

// group is the id of the resource group.
func (p *kubernetesPage) group(t *testing.T) string {
	t.Helper()
	return "/subscriptions/" + readAdmin(t, p.data)["subscriptionId"] + "/resourceGroups/rg1"
}
