package trace

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"midas/internal/host"
)

// Config says where traces go. The zero value records none.
type Config struct {
	// Endpoint is the URL of the collector's OTLP over HTTP, such as http://localhost:4318. "/v1/traces" is added
	// if the URL has no path.
	Endpoint string

	// Exact means that requests go to Endpoint as it is, although it has no path.
	Exact bool

	// Headers are sent with each request, such as credentials for the collector. HeadersFile is a file with more of
	// them, a line "Name: value" each. It is read again for each request.
	Headers     []Field
	HeadersFile string

	// CA is a PEM file with the authorities that the certificate of the collector must come from. Empty: those of
	// the system.
	CA string

	// Ratio is the part of the traces that are recorded, above 0 and up to 1. Nil means all.
	Ratio *float64

	// Service is the name of the program in traces. Instance and Version say which process it is.
	Service, Instance, Version string

	// Resource are further attributes of the process.
	Resource []Field
}

// Field is a name with a value.
type Field struct{ Name, Value string }

// ratio returns the part of the traces that are recorded.
func (c Config) ratio() float64 {
	if c.Ratio == nil {
		return 1
	}
	return *c.Ratio
}

// Check returns an error that names the first setting that is wrong. It does not read the files.
func (c Config) Check() error {
	if c.Endpoint == "" {
		if c.HeadersFile != "" || c.CA != "" || c.Ratio != nil {
			return errors.New("endpoint: it is missing, so that the other settings have no effect")
		}
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("endpoint: it is not a URL such as https://collector.example:4318")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("endpoint: it must have neither credentials nor a query; put credentials in a file of headers")
	}
	if r := c.ratio(); !(r >= 0 && r <= 1) {
		return fmt.Errorf("ratio: %v is not between 0 and 1", r)
	}
	if u.Scheme == "http" && (len(c.Headers) > 0 || c.HeadersFile != "") && !host.IsLoopback(u.Hostname()) {
		return errors.New("endpoint: headers can have credentials, which http would send unencrypted; use https")
	}
	return nil
}

// url returns the address of the requests.
func (c Config) url() string {
	if u, err := url.Parse(c.Endpoint); err == nil && !c.Exact && strings.Trim(u.Path, "/") == "" {
		return strings.TrimRight(c.Endpoint, "/") + "/v1/traces"
	}
	return c.Endpoint
}

// roots reads the authorities of the collector; nil are those of the system.
func (c Config) roots() (*x509.CertPool, error) {
	if c.CA == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("ca: %s has no certificate in PEM format", c.CA)
	}
	return pool, nil
}

// maxHeaderFile bounds the size of a file of headers, in bytes.
const maxHeaderFile = 64 << 10

// headers returns all headers of a request.
func (c Config) headers() ([]Field, error) {
	all := c.Headers
	if c.HeadersFile == "" {
		return all, nil
	}
	data, err := os.ReadFile(c.HeadersFile)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	if len(data) > maxHeaderFile {
		return nil, fmt.Errorf("headers: %s has more than %d bytes", c.HeadersFile, maxHeaderFile)
	}
	all = all[:len(all):len(all)]
	for i, line := range strings.Split(string(data), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		f := Field{strings.TrimSpace(name), strings.TrimSpace(value)}
		if !ok || !f.isHeader() { // the text of the line may be a secret
			return nil, fmt.Errorf("headers: line %d of %s is not \"Name: value\"", i+1, c.HeadersFile)
		}
		all = append(all, f)
	}
	return all, nil
}

// isHeader reports whether f can be a header (RFC 9110, 5.1 and 5.5).
func (f Field) isHeader() bool {
	for _, c := range []byte(f.Name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	for _, c := range []byte(f.Value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return f.Name != ""
}

// isAttribute reports whether f can be an attribute of a process: protobuf requires UTF-8.
func (f Field) isAttribute() bool {
	return f.Name != "" && utf8.ValidString(f.Name) && utf8.ValidString(f.Value)
}

// resource returns the attributes of the process. Each name is there once: the Config's own fields come first, then
// the last value that Resource has. Only service.name is Resource's if Service is empty, as OpenTelemetry requires.
func (c Config) resource() []Field {
	all := []Field{{"service.name", c.Service}, {"service.version", c.Version}, {"service.instance.id", c.Instance},
		{"telemetry.sdk.name", "midas"}, {"telemetry.sdk.language", "go"}}
	for _, f := range slices.Backward(c.Resource) {
		i := slices.IndexFunc(all, func(other Field) bool { return other.Name == f.Name })
		switch {
		case i < 0:
			all = append(all, f)
		case all[i].Value == "":
			all[i].Value = f.Value
		}
	}
	if all[0].Value == "" {
		all[0].Value = "midas"
	}
	return all
}

// NamesService reports whether Service or Resource has the name of the program.
func (c Config) NamesService() bool {
	return c.Service != "" || slices.ContainsFunc(c.Resource, func(f Field) bool { return f.Name == "service.name" && f.Value != "" })
}
