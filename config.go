package midas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"midas/internal/arm"

	"midas/internal/api/httpx"
	"midas/internal/api/login"
	"midas/internal/api/management"
	"midas/internal/grant"
	"midas/internal/serve"
)

// Config is the configuration of a server. The zero value runs a server for a developer's machine. In a
// configuration file the settings have the names of the yaml tags, durations are written like "90m" and
// sizes like "64MiB". An unknown name is an error. Flags of the command line override the file. Relative
// paths are relative to the working directory.
type Config struct {
	// Data is the folder of the server. It contains ca.pem, the certificate that clients must trust;
	// admin.json, the administrator's credentials; master.key, the key that seals the secrets in the
	// store; and by default the store itself. If the folder does not exist, the server creates it,
	// readable by its owner only. Only one server at a time can use it. Default: ./midas-data
	Data string `yaml:"data"`

	// Listen is the address of the HTTPS listener, HOST:PORT. The host "localhost" listens on 127.0.0.1
	// and ::1, an empty host on all addresses. Port 0 takes a free port. Default: localhost:8443
	Listen string `yaml:"listen"`

	// Origin is the URL under which clients reach the server, if that is not https:// with the host and
	// port of Listen. It is the issuer of all tokens, so changing it makes all earlier tokens invalid.
	// Its host is added to Names.
	Origin string `yaml:"origin"`

	// Names are further host names and IP addresses under which clients reach the server. The server's
	// certificate and the local CA are valid for these names, for localhost, 127.0.0.1 and ::1, and for
	// the hosts of Listen and Origin.
	Names []string `yaml:"names"`

	// TLS is a certificate of the operator for the HTTPS listener, and what clients must trust for it. Default: the
	// server's own authority, ca.pem, certifies its names
	TLS TLSConfig `yaml:"tls"`

	// Agents configures how the agents of machines reach a server whose clients come through a reverse proxy that ends
	// TLS. Default: as all other clients
	Agents AgentsConfig `yaml:"agents"`

	// TrustedProxies are the reverse proxies in front of the server, by IP address or by network in CIDR
	// notation. For a request from one of them the server takes the client's address from X-Forwarded-For
	// or Forwarded (RFC 7239), and uses it for throttling, log lines and the activity log. It ignores
	// these headers in all other requests, and ignores everything else in them. Default: none
	TrustedProxies []string `yaml:"trustedProxies"`

	// Store is the store of all state. "pebble:DIR" is durable and keeps its files in the folder DIR. Several servers
	// can share "etcd://HOST:PORT,HOST:PORT/PREFIX" or "postgres://USER@HOST/DATABASE" (docs/store.md), in binaries
	// that were built with -tags cluster.
	// "memory:" loses everything when the server ends, but the next start creates the same tenant,
	// subscription and administrator again from admin.json. Default: pebble: with the folder store in Data.
	Store string `yaml:"store"`

	// MasterKey is the key that seals the secrets in the store. All servers of one store need the same.
	// Default: the file master.key in Data, which the first start makes.
	MasterKey MasterKeyConfig `yaml:"masterKey"`

	// Cluster configures the embedded cluster. Default: there is none
	Cluster ClusterConfig `yaml:"cluster"`

	// Cache bounds the memory of the cache of the store. Default: 32MiB
	Cache Size `yaml:"cache"`

	// Lab gives the tenant, the subscription and the administrator the documented, well-known ids, secret
	// and password (see LabTenantID). Everyone who can reach the server can then be its administrator, so
	// it is only for laboratories and CI. A data folder that was created with Lab cannot be used without
	// it, nor the other way round.
	Lab bool `yaml:"lab"`

	// State are files or folders of declared state (docs/state.md), to which the server is brought before it accepts
	// requests. What they declare is created or changed; nothing is deleted. Secrets that are made for them are in
	// state-secrets.json in Data.
	State []string `yaml:"state"`

	// StateText is declared state in YAML or JSON, after that of State.
	StateText string `yaml:"-"`

	// LabWriteConflicts refuses a write to the federated credentials of a managed identity with 409 while another
	// one of the same identity is in flight, as Azure does, so that programs can be tested with it; a write then
	// takes 250 ms at least. Otherwise such writes run one after the other. It needs Lab.
	LabWriteConflicts bool `yaml:"labWriteConflicts"`

	// Namespaces are the resource providers, such as Microsoft.Web, whose resource types Midas accepts
	// without knowing anything about them except that they can have identities. The types that Midas
	// implements are always accepted. A caller who may write to any type of a provider can create
	// resources with identities, and most built-in roles allow all operations of some provider, such as
	// Microsoft.Support/*; so list only providers that have resources with identities. "default" stands
	// for the default list, to which other names can be added, and "*" for all providers. Resources of a
	// provider that is not in the list, or not any more, can still be read and deleted.
	// Default: Microsoft.ApiManagement, Microsoft.App,
	// Microsoft.AppConfiguration, Microsoft.AppPlatform, Microsoft.Automation, Microsoft.AVS,
	// Microsoft.AzureStackHCI, Microsoft.Batch, Microsoft.Blueprint, Microsoft.BotService,
	// Microsoft.Cache, Microsoft.Cdn, Microsoft.Chaos, Microsoft.CognitiveServices,
	// Microsoft.Communication, Microsoft.Compute, Microsoft.ContainerInstance,
	// Microsoft.ContainerRegistry, Microsoft.ContainerService, Microsoft.Dashboard, Microsoft.DataBox,
	// Microsoft.DataBoxEdge, Microsoft.Databricks, Microsoft.DataFactory, Microsoft.DataProtection,
	// Microsoft.DBforMySQL, Microsoft.DBforPostgreSQL, Microsoft.DesktopVirtualization,
	// Microsoft.DevCenter, Microsoft.Devices, Microsoft.DeviceUpdate, Microsoft.DevOpsInfrastructure, Microsoft.DigitalTwins,
	// Microsoft.DocumentDB, Microsoft.EventGrid, Microsoft.EventHub, Microsoft.HDInsight,
	// Microsoft.HealthcareApis, Microsoft.HybridCompute, Microsoft.IoTCentral, Microsoft.KeyVault, Microsoft.Kubernetes,
	// Microsoft.KubernetesConfiguration, Microsoft.Kusto, Microsoft.LoadTestService, Microsoft.Logic,
	// Microsoft.MachineLearningServices, Microsoft.Maps, Microsoft.Media, Microsoft.Migrate,
	// Microsoft.NetApp, Microsoft.Network, Microsoft.OperationalInsights, Microsoft.Purview, Microsoft.RecoveryServices,
	// Microsoft.RedHatOpenShift, Microsoft.ResourceConnector, Microsoft.Search, Microsoft.ServiceBus,
	// Microsoft.ServiceFabric, Microsoft.SignalRService, Microsoft.Sql, Microsoft.Storage,
	// Microsoft.StorageCache, Microsoft.StorageMover, Microsoft.StorageSync,
	// Microsoft.StreamAnalytics, Microsoft.Synapse, Microsoft.VideoIndexer,
	// Microsoft.VirtualMachineImages, Microsoft.Web, Microsoft.Workloads
	Namespaces []string `yaml:"namespaces"`

	// Ops is the address, HOST:PORT, of a listener for /healthz, /readyz, /metrics and /debug/pprof/. It
	// has neither TLS nor authentication: choose an address that only the operators of the server can
	// reach. Listen serves /healthz and /readyz too. Default: there is no such listener
	Ops string `yaml:"ops"`

	// HSTSSubdomains adds includeSubDomains to Strict-Transport-Security, as Azure does. Browsers then
	// refuse http for a year for every service below the server's name, including services that are not
	// Midas. Default: false
	HSTSSubdomains bool `yaml:"hstsSubdomains"`

	// TokenLifetime is the lifetime of the access tokens of applications and users, from 10m to 24h.
	// Default: 1h
	TokenLifetime time.Duration `yaml:"tokenLifetime"`

	// ContinuousTokenLifetime is the longest lifetime of access tokens for ARM and Microsoft Graph, for applications,
	// and users of Microsoft's clients, that handle the challenges of continuous access evaluation: such a token ends
	// with a revocation. A sixth of it is random. The value of TokenLifetime gives these clients no longer tokens than
	// others. From 10m to 24h. Default: 24h
	ContinuousTokenLifetime time.Duration `yaml:"continuousTokenLifetime"`

	// IdentityTokenLifetime is the lifetime of the access tokens of managed identities, from 10m to 24h.
	// Default: 24h
	IdentityTokenLifetime time.Duration `yaml:"identityTokenLifetime"`

	// Metadata are endpoints that serve the instance metadata service of an Azure machine, without TLS.
	// Everyone who can reach an endpoint gets the tokens of its resource, so it is only for laboratories.
	// On other machines run "midas agent" instead. The resources need not exist yet.
	Metadata []MetadataConfig `yaml:"metadata"`

	// Issuers are settings for some of the issuers of tokens that federated credentials name. An issuer that is
	// not listed must be reachable by https at a public address, with a certificate that the system trusts.
	// Default: none
	Issuers []IssuerConfig `yaml:"issuers"`

	// SignIn configures the sign-ins of users.
	SignIn SignInConfig `yaml:"signIn"`

	// Keys configures the keys that sign tokens.
	Keys KeysConfig `yaml:"keys"`

	// Activity configures the activity log.
	Activity ActivityConfig `yaml:"activity"`

	// Log configures the server's own log on standard error. It has one line for each request.
	Log LogConfig `yaml:"log"`

	// Traces configures OpenTelemetry traces. Default: there are none
	Traces TracesConfig `yaml:"traces"`

	// ShutdownTimeout is how long a shutdown waits for requests in flight. Default: 20s
	ShutdownTimeout time.Duration `yaml:"shutdownTimeout"`

	// MovableClock gives the server a clock of its own, which Server.Advance moves. It is for programs that run a server
	// inside themselves, and Lab implies it. Servers that share a store cannot have one.
	MovableClock bool `yaml:"-"`

	// Logger receives the lines of the log instead of standard error. It is for programs that run a server
	// inside themselves.
	Logger *slog.Logger `yaml:"-"`
}

// MetadataConfig is the metadata endpoint of one resource.
type MetadataConfig struct {
	// Resource is the ARM id of the machine, or of any other resource that can have identities.
	Resource string `yaml:"resource"`

	// Listen is the address of the endpoint, HOST:PORT. Programs can also use the host names of
	// Config.Names.
	Listen string `yaml:"listen"`

	// Unlimited lifts the limit of 20 token requests a second, which Azure has.
	Unlimited bool `yaml:"unlimited"`

	// Google serves the resource's identities also to programs that use Google's libraries. Default: it does not
	Google GoogleConfig `yaml:"google"`
}

// GoogleConfig is an endpoint with the protocol of Google's metadata server.
type GoogleConfig struct {
	// Listen is the address of the endpoint, HOST:PORT.
	Listen string `yaml:"listen"`

	// Audience is the audience of access tokens, whose requests name none. If it is empty, the endpoint gives
	// identity tokens only, whose requests name their audience.
	Audience string `yaml:"audience"`
}

// IssuerConfig are the settings for one issuer of tokens that federated credentials name.
type IssuerConfig struct {
	// Issuer is the issuer, exactly as in its tokens. A slash at its end counts.
	Issuer string `yaml:"issuer"`

	// CA is a PEM file with the certificate authorities that the certificate of the issuer's server must come
	// from. The file is read again when it changes. Default: the authorities that the system trusts
	CA string `yaml:"ca"`

	// JWKS is a file with the keys of the issuer (a JWK set), for an issuer that the server cannot reach. The
	// server then asks the issuer nothing, and CA and Private have no effect. The file is read again when it
	// changes; if the new content has no key that can be used, the earlier keys stay in use.
	JWKS string `yaml:"jwks"`

	// Private allows the issuer, and the address of its keys, to be in a private network or at a loopback
	// address. Everyone who can change the documents of the issuer can then make the server ask any https
	// server there for a document, whose content nobody sees. Default: false
	Private bool `yaml:"private"`

	// Enterprise are the values of the claim "enterprise", of which a token of the issuer must have one. With
	// it only the workflows of an enterprise at GitHub are accepted. Default: the claim is not examined
	Enterprise []string `yaml:"enterprise"`
}

// SignInConfig configures the sign-ins of users.
type SignInConfig struct {
	// SessionLifetime is how long a browser stays signed in at most. After it the user must enter the
	// password again. Default: 8h
	SessionLifetime time.Duration `yaml:"sessionLifetime"`

	// SessionIdle is how long a browser stays signed in without using the session. Default: 2h
	SessionIdle time.Duration `yaml:"sessionIdle"`

	// RefreshOverlap is how long a refresh token that was already exchanged is still accepted, because
	// several programs or requests of one user may share it. Each gets a successor of its own. A later use
	// counts as theft and ends the sign-in. Default: 30s
	RefreshOverlap time.Duration `yaml:"refreshOverlap"`
}

// KeysConfig configures the rotation of the keys that sign tokens.
type KeysConfig struct {
	// RotateEvery is how long a key signs until the next key replaces it. Default: 2160h (90 days)
	RotateEvery time.Duration `yaml:"rotateEvery"`

	// PublishBefore is how long a new key is published before it signs, so that relying parties have
	// fetched it by then. "midas keys rotate" takes effect after the same time. Default: 24h
	PublishBefore time.Duration `yaml:"publishBefore"`
}

// ActivityConfig bounds the activity log. When a bound is exceeded, the oldest events are removed.
type ActivityConfig struct {
	// MaxAge is how long events are kept. Default: 2160h (90 days)
	MaxAge time.Duration `yaml:"maxAge"`

	// MaxSize bounds the size of all events in the store. Default: 1GiB
	MaxSize Size `yaml:"maxSize"`
}

// LogConfig configures the server's log.
type LogConfig struct {
	// Level is the lowest level that is logged: debug, info, warn or error. Default: info
	Level slog.Level `yaml:"level"`

	// Format is text or json. Default: text
	Format string `yaml:"format"`
}

// The defaults that the help of the command line shows.
const (
	DefaultData   = "midas-data"
	DefaultListen = "localhost:8443"
)

// The bounds of TokenLifetime, ContinuousTokenLifetime and IdentityTokenLifetime. The tokens of managed identities live for
// longestToken by default.
const (
	shortestToken = 10 * time.Minute
	longestToken  = 24 * time.Hour
)

// ReadConfig reads a configuration file (YAML). An unknown setting is an error.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var c Config
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) { // an empty file is a zero Config
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	if err := dec.Decode(new(Config)); !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("configuration %s: it must contain only one document", path)
	}
	return c, nil
}

// withDefaults returns the configuration with defaults for the settings that have the zero value.
func (c Config) withDefaults() Config {
	set(&c.Data, DefaultData)
	set(&c.Listen, DefaultListen)
	set(&c.Store, c.storeOf())
	set(&c.Cache, 32<<20)
	set(&c.TokenLifetime, time.Hour)
	set(&c.ContinuousTokenLifetime, longestToken)
	set(&c.IdentityTokenLifetime, longestToken)
	set(&c.SignIn.SessionLifetime, login.DefaultSessionLifetime)
	set(&c.SignIn.SessionIdle, login.DefaultSessionIdle)
	set(&c.SignIn.RefreshOverlap, grant.DefaultOverlap)
	set(&c.Keys.RotateEvery, 90*24*time.Hour)
	set(&c.Keys.PublishBefore, 24*time.Hour)
	set(&c.Activity.MaxAge, 90*24*time.Hour)
	set(&c.Activity.MaxSize, 1<<30)
	set(&c.Log.Format, "text")
	set(&c.ShutdownTimeout, 20*time.Second)
	c.Namespaces = management.ExpandNamespaces(c.Namespaces)
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check returns an error that names the first invalid setting. It expects a Config with its defaults, and
// the engines that Store can name.
func (c Config) check(all []engine) error {
	if err := c.Cluster.check(c); err != nil {
		return err
	}
	if _, _, err := findEngine(c.Store, all); err != nil {
		return err
	}
	for _, l := range []struct{ name, value string }{{"listen", c.Listen}, {"ops", c.Ops}, {"agents.listen", c.Agents.Listen}} {
		if _, port, err := net.SplitHostPort(l.value); l.value != "" && (err != nil || !isPort(port)) {
			return fmt.Errorf("%s: %q is not HOST:PORT, such as localhost:8443", l.name, l.value)
		}
	}
	if err := c.MasterKey.check(); err != nil {
		return err
	}
	if err := c.Traces.check(); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	if c.LabWriteConflicts && !c.Lab {
		return errors.New("labWriteConflicts: it is for laboratories, and the server has no lab: true")
	}
	if err := c.checkOrigin(); err != nil {
		return err
	}
	if err := c.TLS.check(); err != nil {
		return err
	}
	if _, err := httpx.ParseProxies(c.TrustedProxies); err != nil {
		return fmt.Errorf("trustedProxies: %w", err)
	}
	for _, n := range c.Namespaces {
		if n != management.AllNamespaces && !management.ValidNamespace(n) {
			return fmt.Errorf("namespaces: %q is not the namespace of a resource provider, such as Microsoft.Web, nor \"default\" or \"*\"", n)
		}
	}
	for _, life := range []struct {
		name  string
		value time.Duration
	}{{"tokenLifetime", c.TokenLifetime}, {"continuousTokenLifetime", c.ContinuousTokenLifetime}, {"identityTokenLifetime", c.IdentityTokenLifetime}} {
		if life.value < shortestToken || life.value > longestToken {
			return fmt.Errorf("%s: %s is not between %s and %s", life.name, life.value, shortestToken, longestToken)
		}
		if life.value%time.Second != 0 {
			return fmt.Errorf("%s: %s is not in whole seconds, the resolution of times in tokens", life.name, life.value)
		}
	}
	if err := c.checkMetadata(); err != nil {
		return err
	}
	if c.Keys.RotateEvery <= c.Keys.PublishBefore {
		return fmt.Errorf("keys.rotateEvery: %s is not longer than keys.publishBefore, %s", c.Keys.RotateEvery, c.Keys.PublishBefore)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"keys.publishBefore", c.Keys.PublishBefore}, {"activity.maxAge", c.Activity.MaxAge}, {"shutdownTimeout", c.ShutdownTimeout},
		{"signIn.sessionLifetime", c.SignIn.SessionLifetime}, {"signIn.sessionIdle", c.SignIn.SessionIdle}, {"signIn.refreshOverlap", c.SignIn.RefreshOverlap},
	} {
		if d.value < 0 {
			return fmt.Errorf("%s: %s is negative", d.name, d.value)
		}
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return fmt.Errorf("log.format: %q is neither text nor json", c.Log.Format)
	}
	return nil
}

func (c Config) checkMetadata() error {
	for _, m := range c.Metadata {
		if id, err := arm.ParseID(m.Resource); err != nil || !id.IsResource() {
			return fmt.Errorf("metadata: %q is not a resource id such as /subscriptions/ID/resourceGroups/NAME/providers/NAMESPACE/TYPE/NAME", m.Resource)
		}
		if _, port, err := net.SplitHostPort(m.Listen); err != nil || !isPort(port) {
			return fmt.Errorf("metadata: %q is not HOST:PORT, such as 127.0.0.1:8170", m.Listen)
		}
		if m.Google == (GoogleConfig{}) {
			continue
		}
		if _, port, err := net.SplitHostPort(m.Google.Listen); err != nil || !isPort(port) {
			return fmt.Errorf("metadata: google.listen: %q is not HOST:PORT, such as 127.0.0.1:8175", m.Google.Listen)
		}
	}
	return nil
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// Size is a number of bytes. Its text has a unit, such as "512KiB", "64MiB" or "1GiB", or none.
type Size int64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	number, shift := string(text), 0
	for unit, bits := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40} {
		if rest, found := strings.CutSuffix(number, unit); found {
			number, shift = strings.TrimSpace(rest), bits
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return fmt.Errorf("%q is not a size such as 64MiB", text)
	}
	*s = Size(n << shift)
	return nil
}

// logger is the log of a command. It writes each line at once, without a buffer.
func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return serve.NewLogger(os.Stderr, serve.LogOptions(c.Log))
}

// checkOrigin returns an error if an origin is not one. An empty one is chosen at the start.
func (c Config) checkOrigin() error {
	for _, o := range []struct{ name, value string }{{"origin", c.Origin}, {"agents.origin", c.Agents.Origin}} {
		u, err := url.Parse(o.value)
		if o.value != "" && (err != nil || u.Scheme != "https" || u.Hostname() == "" || o.value != "https://"+u.Host) {
			return fmt.Errorf("%s: %q is not https://HOST or https://HOST:PORT without a path", o.name, o.value)
		}
	}
	return nil
}
