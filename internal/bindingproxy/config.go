package bindingproxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"midas/internal/arm"
)

// Default names of what a pod of Kubernetes has, and of what docs/kubernetes.md mounts for the proxy.
const (
	DefaultListen         = ":8443"
	DefaultAssertion      = "/var/run/secrets/midas/token"
	DefaultCertificate    = "/etc/midas/tls/tls.crt"
	DefaultKey            = "/etc/midas/tls/tls.key"
	DefaultAPIServerCA    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
	DefaultAPIServerToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"
)

// DefaultTimeout bounds the work for one token request: two reviews and the exchange.
const DefaultTimeout = 10 * time.Second

// Config is the configuration of a Server. Authority, Tenants and Log are required.
type Config struct {
	Authority   string   // URL of Midas, https://HOST[:PORT]
	AuthorityCA string   // file with the CA certificates to trust for Midas; empty: those of the system
	Tenants     []string // ids of the tenants for which tokens may be requested
	Assertion   string   // file with the proxy's own service-account token, for the audience of the federated credentials

	APIServer      string // URL of the Kubernetes API server; empty: that of this pod's cluster
	APIServerCA    string // file with the CA certificates to trust for the API server
	APIServerToken string // file with the service-account token for the API server

	Listen           string // address, HOST:PORT
	Certificate, Key string // files of the proxy's own certificate, in PEM

	Timeout time.Duration // of one token request; 0 means DefaultTimeout
	Log     *slog.Logger
}

// withDefaults returns the configuration with its defaults, or says what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	for field, value := range map[*string]string{
		&c.Listen: DefaultListen, &c.Assertion: DefaultAssertion, &c.Certificate: DefaultCertificate, &c.Key: DefaultKey,
		&c.APIServerCA: DefaultAPIServerCA, &c.APIServerToken: DefaultAPIServerToken,
	} {
		if *field == "" {
			*field = value
		}
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if len(c.Tenants) == 0 {
		return c, errors.New("no tenant is given: name the tenants for which pods may get tokens")
	}
	for _, tenant := range c.Tenants {
		if !arm.IsGUID(tenant) {
			return c, fmt.Errorf("the tenant %q is not a GUID", tenant)
		}
	}
	if c.APIServer == "" {
		host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return c, errors.New("this is no pod of Kubernetes: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, and no API server is given")
		}
		c.APIServer = "https://" + net.JoinHostPort(host, port)
	}
	return c, nil
}

// origin parses the URL of a server: https, a host, and nothing else.
func origin(what, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the URL of %s: %w", what, err)
	}
	if u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("the URL of %s is %q, which is not https://HOST[:PORT]", what, text)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}
