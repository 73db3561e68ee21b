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
	"midas/internal/serve"
)

// Config says how a server runs. Its zero value is a server for a developer's machine. In a
// configuration file the names are those of the yaml tags, durations are written as in "90m" and
// sizes as in "64MiB"; a name that is not known is an error. Flags of the command line override the
// file, and relative paths are relative to the working directory.
type Config struct {
	// Data is the folder of the server: ca.pem, which clients trust; admin.json, the
	// administrator's credentials; master.key, under which secrets in the store are sealed; and by
	// default the store itself. It is made, readable by its owner only, if it is not there. One
	// server at a time can use it. Default: ./midas-data
	Data string `yaml:"data"`

	// Listen is where HTTPS is served, HOST:PORT. "localhost" listens on 127.0.0.1 and ::1, an
	// empty host on all addresses; port 0 takes a free one. Default: localhost:8443
	Listen string `yaml:"listen"`

	// Origin is the URL under which clients reach the server, when that is not https:// with the
	// host and port of Listen. Tokens name it as their issuer, so a change of it makes all earlier
	// tokens invalid. Its host is added to Names.
	Origin string `yaml:"origin"`

	// Names are further host names and IP addresses under which clients reach the server. The
	// server's certificate and the local CA are good for them, for localhost, 127.0.0.1 and ::1,
	// and for the hosts of Listen and Origin.
	Names []string `yaml:"names"`

	// TrustedProxies are the reverse proxies in front of the server, by address or by network in CIDR
	// notation. They are believed when they say in X-Forwarded-For or Forwarded (RFC 7239) from which
	// address a request comes, which then counts for throttles, log lines and the activity log. Nobody
	// else is believed, and nothing else is taken from these headers. Default: none
	TrustedProxies []string `yaml:"trustedProxies"`

	// Store is where state is kept: "pebble:DIR", durable, in a folder; or "memory:", which forgets
	// everything at the end, except that the next start makes the same tenant, subscription and
	// administrator again from admin.json. Default: pebble: with the folder store in Data.
	Store string `yaml:"store"`

	// Cache bounds the memory that holds what was read from the store. Default: 32MiB
	Cache Size `yaml:"cache"`

	// Lab is for laboratories and CI: the ids and the secret of the administrator are the
	// documented, well-known ones (see LabTenantID), so anyone who reaches the server is its
	// administrator. A data folder is for one of the two, with Lab or without.
	Lab bool `yaml:"lab"`

	// Namespaces are the resource providers, such as Microsoft.Web, whose types may be used although
	// Midas knows nothing of them but that they can carry identities. What Midas knows more of is
	// always there. Whoever may write to any type of a provider can create resources with identities,
	// and most built-in roles allow all of some provider, such as Microsoft.Support/*; so list only
	// those that have resources with identities. "default" stands for the default list, to which other
	// names can be added, and "*" for all providers. Resources of a provider that is not listed (any
	// more) can still be read and deleted. Default: Microsoft.ApiManagement, Microsoft.App,
	// Microsoft.AppConfiguration, Microsoft.AppPlatform, Microsoft.Automation, Microsoft.AVS,
	// Microsoft.AzureStackHCI, Microsoft.Batch, Microsoft.Blueprint, Microsoft.BotService,
	// Microsoft.Cache, Microsoft.Cdn, Microsoft.Chaos, Microsoft.CognitiveServices,
	// Microsoft.Communication, Microsoft.Compute, Microsoft.ContainerInstance,
	// Microsoft.ContainerRegistry, Microsoft.ContainerService, Microsoft.Dashboard, Microsoft.DataBox,
	// Microsoft.DataBoxEdge, Microsoft.Databricks, Microsoft.DataFactory, Microsoft.DataProtection,
	// Microsoft.DBforMySQL, Microsoft.DBforPostgreSQL, Microsoft.DesktopVirtualization,
	// Microsoft.DevCenter, Microsoft.Devices, Microsoft.DevOpsInfrastructure, Microsoft.DigitalTwins,
	// Microsoft.DocumentDB, Microsoft.EventGrid, Microsoft.EventHub, Microsoft.HDInsight,
	// Microsoft.HealthcareApis, Microsoft.HybridCompute, Microsoft.IoTCentral, Microsoft.Kubernetes,
	// Microsoft.KubernetesConfiguration, Microsoft.Kusto, Microsoft.LoadTestService, Microsoft.Logic,
	// Microsoft.MachineLearningServices, Microsoft.Maps, Microsoft.Media, Microsoft.Migrate,
	// Microsoft.NetApp, Microsoft.Network, Microsoft.Purview, Microsoft.RecoveryServices,
	// Microsoft.RedHatOpenShift, Microsoft.ResourceConnector, Microsoft.Search, Microsoft.ServiceBus,
	// Microsoft.ServiceFabric, Microsoft.SignalRService, Microsoft.Sql, Microsoft.Storage,
	// Microsoft.StorageCache, Microsoft.StorageMover, Microsoft.StorageSync,
	// Microsoft.StreamAnalytics, Microsoft.Synapse, Microsoft.VideoIndexer,
	// Microsoft.VirtualMachineImages, Microsoft.Web, Microsoft.Workloads
	Namespaces []string `yaml:"namespaces"`

	// Ops is where /healthz, /readyz, /metrics and /debug/pprof/ are served, HOST:PORT, in clear
	// and to anyone: choose an address that only the people who run the server can reach. Health is
	// also served by Listen. Default: not at all
	Ops string `yaml:"ops"`

	// HSTSSubdomains has browsers use TLS for all names below the server's as well, as Azure's answers do
	// (Strict-Transport-Security with includeSubDomains). Browsers then refuse http for every other
	// service below that name, for a year. Default: false
	HSTSSubdomains bool `yaml:"hstsSubdomains"`

	// TokenLifetime is how long the access tokens of applications are good, from 10m to 24h.
	// Default: 1h
	TokenLifetime time.Duration `yaml:"tokenLifetime"`

	// IdentityTokenLifetime is how long the access tokens of managed identities are good, from 10m to
	// 24h. Default: 24h
	IdentityTokenLifetime time.Duration `yaml:"identityTokenLifetime"`

	// Metadata are endpoints that programs take for the metadata service of an Azure machine, in clear:
	// whoever can reach one gets the tokens of its resource. It is for laboratories; on other machines
	// than the server's run "midas agent". The resources need not exist yet.
	Metadata []MetadataConfig `yaml:"metadata"`

	// SignIn bounds the sign-ins of users.
	SignIn SignInConfig `yaml:"signIn"`

	// Keys are the keys that sign tokens.
	Keys KeysConfig `yaml:"keys"`

	// Activity is the activity log.
	Activity ActivityConfig `yaml:"activity"`

	// Log is the server's own log, on standard error: one line a request.
	Log LogConfig `yaml:"log"`

	// ShutdownTimeout is how long an end waits for requests in flight. Default: 20s
	ShutdownTimeout time.Duration `yaml:"shutdownTimeout"`

	// Logger takes the log's lines instead, for programs that run a server inside themselves.
	Logger *slog.Logger `yaml:"-"`
}

// MetadataConfig is the metadata endpoint of one resource.
type MetadataConfig struct {
	// Resource is the ARM id of the machine, or of any other resource that has identities.
	Resource string `yaml:"resource"`

	// Listen is where the endpoint is served, HOST:PORT. The names of Config.Names are good for it too.
	Listen string `yaml:"listen"`

	// Unlimited lifts the limit of 20 token requests a second, which is Azure's.
	Unlimited bool `yaml:"unlimited"`
}

// SignInConfig says how long sign-ins of users are good.
type SignInConfig struct {
	// SessionLifetime is how long a browser is signed in at most, until it asks for the password again.
	// Default: 8h
	SessionLifetime time.Duration `yaml:"sessionLifetime"`

	// SessionIdle is how long a browser stays signed in that does not use the session. Default: 2h
	SessionIdle time.Duration `yaml:"sessionIdle"`

	// RefreshOverlap is how long after its exchange a refresh token is still accepted as a retry. A
	// later use counts as a theft and ends the sign-in. Default: 0s
	RefreshOverlap time.Duration `yaml:"refreshOverlap"`
}

// KeysConfig says how the keys that sign tokens change.
type KeysConfig struct {
	// RotateEvery is how long a key signs before the next one does. Default: 2160h (90 days)
	RotateEvery time.Duration `yaml:"rotateEvery"`

	// PublishBefore is how long a new key is published before it signs, so that those who verify
	// tokens have fetched it by then. It is also how long "midas keys rotate" takes to have its
	// effect. Default: 24h
	PublishBefore time.Duration `yaml:"publishBefore"`
}

// ActivityConfig bounds the activity log. What exceeds either bound is removed, oldest first.
type ActivityConfig struct {
	// MaxAge is how long events are kept. Default: 2160h (90 days)
	MaxAge time.Duration `yaml:"maxAge"`

	// MaxSize bounds the room that events take in the store. Default: 1GiB
	MaxSize Size `yaml:"maxSize"`
}

// LogConfig is how the server's log looks.
type LogConfig struct {
	// Level is the least important level that is logged: debug, info, warn or error. Default: info
	Level slog.Level `yaml:"level"`

	// Format is text or json. Default: text
	Format string `yaml:"format"`
}

// The defaults that the command line shows.
const (
	DefaultData   = "midas-data"
	DefaultListen = "localhost:8443"
)

// The bounds of TokenLifetime. Managed identities get the longest.
const (
	shortestToken = 10 * time.Minute
	longestToken  = 24 * time.Hour
)

// ReadConfig reads a configuration file.
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
		return Config{}, fmt.Errorf("configuration %s: it must hold one document only", path)
	}
	return c, nil
}

// withDefaults fills what was left out.
func (c Config) withDefaults() Config {
	set(&c.Data, DefaultData)
	set(&c.Listen, DefaultListen)
	set(&c.Store, defaultStore(c.Data))
	set(&c.Cache, 32<<20)
	set(&c.TokenLifetime, time.Hour)
	set(&c.IdentityTokenLifetime, longestToken)
	set(&c.SignIn.SessionLifetime, login.DefaultSessionLifetime)
	set(&c.SignIn.SessionIdle, login.DefaultSessionIdle)
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

// check refuses what cannot work, naming the setting. It is given a Config with its defaults, and the
// engines that Store can name.
func (c Config) check(all []engine) error {
	if _, _, err := findEngine(c.Store, all); err != nil {
		return err
	}
	for _, l := range []struct{ name, value string }{{"listen", c.Listen}, {"ops", c.Ops}} {
		if _, port, err := net.SplitHostPort(l.value); l.value != "" && (err != nil || !isPort(port)) {
			return fmt.Errorf("%s: %q is not HOST:PORT, such as localhost:8443", l.name, l.value)
		}
	}
	if c.Origin != "" {
		u, err := url.Parse(c.Origin)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || c.Origin != "https://"+u.Host {
			return fmt.Errorf("origin: %q is not https:// with a host and perhaps a port, and nothing after it", c.Origin)
		}
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
	}{{"tokenLifetime", c.TokenLifetime}, {"identityTokenLifetime", c.IdentityTokenLifetime}} {
		if life.value < shortestToken || life.value > longestToken {
			return fmt.Errorf("%s: %s is not between %s and %s", life.name, life.value, shortestToken, longestToken)
		}
		if life.value%time.Second != 0 {
			return fmt.Errorf("%s: %s is not in whole seconds, which is all that a token can say", life.name, life.value)
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
			return fmt.Errorf("metadata: %q is not the id of a resource, as /subscriptions/.../providers/... is", m.Resource)
		}
		if _, port, err := net.SplitHostPort(m.Listen); err != nil || !isPort(port) {
			return fmt.Errorf("metadata: %q is not HOST:PORT, such as 127.0.0.1:8170", m.Listen)
		}
	}
	return nil
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// Size is a number of bytes. It is written with a unit, "512KiB", "64MiB", "1GiB", or plain.
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

// logger is the log of a command, which writes each line as it comes.
func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return serve.NewLogger(os.Stderr, serve.LogOptions(c.Log))
}
