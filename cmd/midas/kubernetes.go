package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"midas/internal/bindingproxy"
	"midas/internal/serve"
)

type kubernetesCommand struct {
	Proxy kubernetesProxyCommand `cmd:"" help:"Run the identity-binding proxy of a cluster."`
}

// Help is shown by midas kubernetes --help.
func (kubernetesCommand) Help() string {
	return `A pod can exchange its own service-account token at the server, which needs one federated credential for each service account. With the identity-binding proxy one credential is enough for all of them.

Example:

  midas kubernetes proxy --authority https://midas.example:8443 --tenant "$MIDAS_TENANT_ID"`
}

type kubernetesProxyCommand struct {
	Authority   string   `required:"" help:"URL of the server, https://HOST[:PORT]." placeholder:"URL" env:"MIDAS_SERVER"`
	CA          string   `name:"ca" help:"File with the CA certificates to trust for the server. Default: the CA certificates of the system" placeholder:"FILE" env:"MIDAS_CA"`
	Tenant      []string `required:"" help:"Id of a tenant for which pods may get tokens; repeatable." placeholder:"ID" env:"MIDAS_TENANT_ID"`
	Assertion   string   `help:"File with the service-account token that the proxy sends to the server. Default: ${bindingAssertion}" placeholder:"FILE" default:"${bindingAssertion}"`
	Listen      string   `help:"Address of HTTPS. Default: ${bindingListen}" placeholder:"HOST:PORT" default:"${bindingListen}"`
	Certificate string   `help:"File with the proxy's certificate, in PEM. Default: ${bindingCertificate}" placeholder:"FILE" default:"${bindingCertificate}"`
	Key         string   `help:"File with the certificate's key, in PEM. Default: ${bindingKey}" placeholder:"FILE" default:"${bindingKey}"`
	APIServer   string   `name:"api-server" help:"URL of the Kubernetes API server. Default: that of the pod's cluster" placeholder:"URL"`
	APICA       string   `name:"api-ca" help:"File with the CA certificates to trust for the API server. Default: ${bindingAPICA}" placeholder:"FILE" default:"${bindingAPICA}"`
	APIToken    string   `name:"api-token" help:"File with the service-account token for the API server. Default: ${bindingAPIToken}" placeholder:"FILE" default:"${bindingAPIToken}"`
	Log         string   `help:"Format of the log: text or json. Default: text" enum:"text,json" default:"text"`
}

// bindingProxyDefaults are the defaults in the help of midas kubernetes proxy.
func bindingProxyDefaults() kong.Vars {
	return kong.Vars{
		"bindingAssertion": bindingproxy.DefaultAssertion, "bindingListen": bindingproxy.DefaultListen,
		"bindingCertificate": bindingproxy.DefaultCertificate, "bindingKey": bindingproxy.DefaultKey,
		"bindingAPICA": bindingproxy.DefaultAPIServerCA, "bindingAPIToken": bindingproxy.DefaultAPIServerToken,
	}
}

// Help is shown by midas kubernetes proxy --help.
func (kubernetesProxyCommand) Help() string {
	return `Runs in the cluster. Pods send their token requests to it, with EnableAzureProxy of the Azure SDKs and AZURE_KUBERNETES_TOKEN_PROXY. The API server reviews each request: the token must be of a service account, for the audience ` + bindingproxy.Audience + `, and the account needs the permission use-managed-identity for the client id in the group cid.wi.aks.azure.com, by a ClusterRoleBinding. The proxy then sends its own service-account token to the server.

The files are read again when they change. /healthz and /readyz answer probes. SIGINT and SIGTERM end the proxy after the requests in flight. docs/kubernetes.md has the manifests.

Examples:

  midas kubernetes proxy --authority https://midas.example:8443 --ca /etc/midas/ca/ca.crt --tenant 11111111-1111-4111-8111-111111111111
  midas kubernetes proxy --authority "$MIDAS_ENDPOINT" --ca "$MIDAS_CA" --tenant "$MIDAS_TENANT_ID" --listen 127.0.0.1:9443 \
    --certificate tls.crt --key tls.key --assertion proxy-token --api-server https://127.0.0.1:6443 --api-ca api.crt --api-token api-token`
}

// bindingGrace is how long the proxy waits for requests in flight when it ends. It is longer than a request may take.
const bindingGrace = bindingproxy.DefaultTimeout + 5*time.Second

// Run serves until a signal comes or the proxy fails.
func (c *kubernetesProxyCommand) Run(ctx context.Context, to streams) (err error) {
	log, lines := serve.NewBufferedLogger(os.Stderr, serve.LogOptions{Format: c.Log})
	defer func() { err = errors.Join(err, lines.Close()) }()
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	hangups := newHangups(restore)
	defer hangups.stop()
	defer runtime.KeepAlive(tune())
	server, err := bindingproxy.Open(ctx, bindingproxy.Config{
		Authority: c.Authority, AuthorityCA: c.CA, Tenants: c.Tenant, Assertion: c.Assertion,
		APIServer: c.APIServer, APIServerCA: c.APICA, APIServerToken: c.APIToken,
		Listen: c.Listen, Certificate: c.Certificate, Key: c.Key, Log: log,
	})
	if err != nil {
		return err
	}
	hangups.serve(func() { log.InfoContext(ctx, "a hangup changes nothing: the proxy has no files to read again") })
	server.Start()
	if _, err := fmt.Fprintf(to.out, "ready %s\n", server.URL()); err != nil {
		return errors.Join(fmt.Errorf("print the ready line: %w", err), server.Close())
	}
	select {
	case <-ctx.Done():
	case <-server.Done():
	}
	restore() // from here on a second signal ends the process at once
	ended, cancel := context.WithTimeout(context.Background(), bindingGrace)
	defer cancel()
	return errors.Join(server.Err(), server.Shutdown(ended))
}
