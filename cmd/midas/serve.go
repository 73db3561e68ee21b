package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"text/template"

	"midas"
)

type serveCommand struct {
	settings
	Listen         string     `help:"Address of HTTPS. Default: ${listen}" placeholder:"HOST:PORT" env:"MIDAS_LISTEN"`
	Origin         string     `help:"URL under which clients reach the server, or the load balancer in front of several. Default: https:// with the address of --listen" placeholder:"URL" env:"MIDAS_ORIGIN"`
	TLSCert        string     `help:"File with a certificate of your own and its chain, in PEM, read again when it changes. Default: the server's authority certifies it" name:"tls-cert" placeholder:"FILE" env:"MIDAS_TLS_CERT"`
	TLSKey         string     `help:"File with the key of --tls-cert, in PEM." name:"tls-key" placeholder:"FILE" env:"MIDAS_TLS_KEY"`
	Lab            bool       `help:"Use the well-known ids and secrets above. Only for laboratories and CI." env:"MIDAS_LAB"`
	LabConflicts   bool       `help:"With --lab: refuse concurrent writes to the federated credentials of an identity with 409, as Azure does." name:"lab-write-conflicts" env:"MIDAS_LAB_WRITE_CONFLICTS"`
	State          []string   `help:"File or folder with declared state, which the server has when it is ready; repeatable." placeholder:"FILE" sep:"none"`
	Metadata       []string   `help:"Serve the metadata service of a resource on this machine; repeatable." placeholder:"ID=HOST:PORT" sep:"none"`
	TrustedProxies []string   `help:"Address or network of a reverse proxy whose X-Forwarded-For and Forwarded headers are trusted; repeatable." placeholder:"ADDRESS" env:"MIDAS_TRUSTED_PROXIES"`
	ClusterInit    bool       `help:"Begin an embedded cluster, whose first member is this server." env:"MIDAS_CLUSTER_INIT"`
	Join           string     `help:"Join the embedded cluster of the server at URL. Needs --token." placeholder:"URL" env:"MIDAS_JOIN"`
	Token          string     `help:"Token for --join, of midas cluster token." env:"MIDAS_JOIN_TOKEN"`
	PeerListen     string     `help:"Address for the other members of the cluster. Default: that of --advertise" placeholder:"IP:PORT" env:"MIDAS_PEER_LISTEN"`
	Advertise      string     `help:"Address under which the other members reach this one. Default: the host of --listen, port 2380" placeholder:"HOST:PORT" env:"MIDAS_ADVERTISE"`
	ClusterMaxSize midas.Size `help:"Size of the database of an embedded cluster beyond which writes are refused, the same on all machines. Default: 8GiB" placeholder:"SIZE" env:"MIDAS_CLUSTER_MAX_SIZE"`
	Ops            string     `help:"Address of health, metrics and profiles, without TLS. Default: they are not served" placeholder:"HOST:PORT" env:"MIDAS_OPS"`
}

// Help is shown by midas serve --help.
func (serveCommand) Help() string {
	return `The first start creates a tenant, a subscription, an administrator who is Owner of the subscription, and a certificate authority for localhost; later starts reuse them. The server accepts requests once it has printed the line "ready URL". SIGINT and SIGTERM end it after the requests in flight; a second signal ends it at once.

Examples:

  midas serve
  midas serve --store memory: --lab --listen localhost:9443
  midas serve --store memory: --lab --state state.yaml
  midas serve --metadata /subscriptions/.../virtualMachines/web1=127.0.0.1:8170
  midas serve --cluster-init --listen 10.0.0.1:8443
  midas serve --join https://10.0.0.1:8443 --token TOKEN --listen 10.0.0.2:8443
  midas serve --config /etc/midas.yaml
  midas serve --set tokenLifetime=15m --set log.format=json
  MIDAS_TOKEN_LIFETIME=15m midas serve

A configuration file (docs/operations.md has a table of all settings):

  data: /var/lib/midas
  listen: :8443
  origin: https://midas.example:8443
  tls: {cert: /etc/midas/tls.crt, key: /etc/midas/tls.key}
  ops: 127.0.0.1:9090
  log: {format: json}

With --lab the ids and secrets are these. They are public and protect nothing:

  tenant         ` + midas.LabTenantID + `
  subscription   ` + midas.LabSubscriptionID + `
  client         ` + midas.LabClientID + `
  client secret  ` + midas.LabClientSecret + `
  user           ` + midas.LabUserName + `
  password       ` + midas.LabUserPassword
}

// config reads the configuration file and applies the flags.
func (c *serveCommand) config() (midas.Config, error) {
	cfg, err := c.settings.config()
	if err != nil {
		return cfg, err
	}
	override(&cfg.Listen, c.Listen)
	override(&cfg.Origin, c.Origin)
	override(&cfg.Ops, c.Ops)
	cfg.Traces.Environment = os.Getenv
	override(&cfg.TLS.Cert, c.TLSCert)
	override(&cfg.TLS.Key, c.TLSKey)
	cfg.Cluster.Init = cfg.Cluster.Init || c.ClusterInit
	override(&cfg.Cluster.Join, c.Join)
	override(&cfg.Cluster.Token, c.Token)
	override(&cfg.Cluster.PeerListen, c.PeerListen)
	override(&cfg.Cluster.Advertise, c.Advertise)
	if c.ClusterMaxSize != 0 {
		cfg.Cluster.MaxSize = c.ClusterMaxSize
	}
	cfg.Lab = cfg.Lab || c.Lab
	cfg.LabWriteConflicts = cfg.LabWriteConflicts || c.LabConflicts
	if len(c.State) > 0 {
		cfg.State = c.State
	}
	if len(c.TrustedProxies) > 0 {
		cfg.TrustedProxies = c.TrustedProxies
	}
	for _, m := range c.Metadata {
		i := strings.LastIndex(m, "=") // the resource id may contain "=", the address cannot
		if i < 0 {
			return cfg, fmt.Errorf("--metadata: %q is not ID=HOST:PORT", m)
		}
		cfg.Metadata = append(cfg.Metadata, midas.MetadataConfig{Resource: m[:i], Listen: m[i+1:]})
	}
	return cfg, c.assign(&cfg)
}

// Run serves until a signal comes or the server fails.
func (c *serveCommand) Run(ctx context.Context, to streams) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	context.AfterFunc(ctx, restore) // from the first signal on a second one ends the process at once
	hangups := newHangups(restore)
	defer hangups.stop()
	defer runtime.KeepAlive(tune())
	server, err := midas.Start(ctx, cfg)
	if err != nil {
		return err
	}
	hangups.serve(func() { _ = server.Reload() }) // it has logged the error
	if err := banner.Execute(to.out, newBannerValues(server, cfg)); err != nil {
		return errors.Join(fmt.Errorf("print the ready line: %w", err), server.Close())
	}
	select {
	case <-ctx.Done():
	case <-server.Done():
	}
	restore() // also if the server has failed
	return server.Shutdown(context.Background())
}

// bannerValues are the values of the banner.
type bannerValues struct {
	midas.Admin
	Version, Data, Midas, DataFlag string
	Lab, Ops, Warning              string
	Metadata                       []string
}

func newBannerValues(s *midas.Server, cfg midas.Config) bannerValues {
	v := bannerValues{
		Admin: s.Admin(), Version: midas.Version(), Data: cfg.Data, Midas: commandName(), Ops: s.OpsURL(), Warning: s.Warning(),
		Metadata: s.MetadataURLs(),
	}
	if v.Data == "" {
		v.Data = midas.DefaultData
	}
	if v.Data != midas.DefaultData {
		v.DataFlag = " --data " + quote(v.Data)
	}
	if cfg.Lab {
		v.Lab = "yes: the administrator's secret is public"
	}
	return v
}

// banner is printed once, when the server is ready. Scripts wait for its last line.
var banner = template.Must(template.New("").Parse(`midas {{.Version}}

  tenant        {{.TenantID}}
  subscription  {{.SubscriptionID}}
  client        {{.ClientID}}
  data          {{.Data}}
{{- with .Lab}}
  lab           {{.}}{{end}}
{{- with .Ops}}
  ops           {{.}}{{end}}
{{- range .Metadata}}
  metadata      {{.}}{{end}}
{{- with .Warning}}
  warning       {{.}}{{end}}

Create, list and delete an identity, in another terminal:

  eval "$({{.Midas}} env{{.DataFlag}})"
  TOKEN=$({{.Midas}} token{{.DataFlag}})
  GROUP="$MIDAS_ENDPOINT/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1"
  IDENTITIES="$GROUP/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
  curl --cacert "$MIDAS_CA" -X PUT "$GROUP?api-version=2021-04-01" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"location":"eastus"}'
  curl --cacert "$MIDAS_CA" -X PUT "$IDENTITIES/app?api-version=2015-08-31-preview" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"location":"eastus"}'
  curl --cacert "$MIDAS_CA" "$IDENTITIES?api-version=2015-08-31-preview" -H "Authorization: Bearer $TOKEN"
  curl --cacert "$MIDAS_CA" -X DELETE "$IDENTITIES/app?api-version=2015-08-31-preview" -H "Authorization: Bearer $TOKEN"

ready {{.Endpoint}}
`))

// commandName is the command with which this program was started, for the commands in the banner.
func commandName() string {
	exe, err := os.Executable()
	if err == nil && strings.Contains(exe, "go-build") { // go run puts its binary into such a folder
		return "go run ./cmd/midas"
	}
	return quote(os.Args[0])
}
