//go:build cluster

package etcd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/host"
)

// Config says where a store lies in an etcd.
type Config struct {
	Endpoints []string // HOST:PORT of the members, at least one
	Prefix    string   // of all keys, "/midas"; it begins with a slash and does not end with one
	User      string   // empty if etcd has no authentication
	Password  string
	TLS       *tls.Config // nil without TLS
}

// Form is how Parse expects a location, for errors and help.
const Form = "[USER:PASSWORD@]HOST:PORT,…/PREFIX[?ca=FILE&cert=FILE&key=FILE&serverName=NAME&tls=true]"

const (
	defaultPort   = "2379"
	longestPrefix = 128 // bytes: a Txn with the most operations must stay below etcd's limit of 1.5 MiB
)

// Parse reads the text after "etcd://" in the name of a store. The files that it names are read. Its errors do
// not contain the password. net/url cannot read more than one host, so Parse divides the text itself.
func Parse(location string) (Config, error) {
	rest, query, _ := strings.Cut(location, "?")
	authority, path, _ := strings.Cut(rest, "/")
	var c Config
	var err error
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if err := c.parseUser(authority[:at]); err != nil {
			return Config{}, err
		}
		authority = authority[at+1:]
	} else if strings.Contains(path, "@") {
		return Config{}, errors.New("in the user and the password, write the characters / ? # @ : % as %2F %3F %23 %40 %3A %25")
	}
	if c.Endpoints, err = parseHosts(authority); err != nil {
		return Config{}, err
	}
	if c.Prefix, err = parsePrefix(path); err != nil {
		return Config{}, err
	}
	o, err := parseOptions(query)
	if err != nil {
		return Config{}, err
	}
	if c.TLS, err = o.config(); err != nil {
		return Config{}, err
	}
	if c.Password != "" && c.TLS == nil && !o.plain && slices.ContainsFunc(c.Endpoints, isRemote) {
		return Config{}, errors.New("a password is sent over TLS only: add ?tls=true or ?ca=FILE, or ?tls=false to send it unencrypted")
	}
	return c, nil
}

func (c *Config) parseUser(text string) error {
	user, password, found := strings.Cut(text, ":")
	var failed [2]error
	c.User, failed[0] = url.PathUnescape(user)
	c.Password, failed[1] = url.PathUnescape(password)
	switch {
	case failed[0] != nil || failed[1] != nil: // these errors show what could not be decoded
		return errors.New("in the user or the password, a % is not followed by two hexadecimal digits: write % as %25")
	case c.User == "" || !found || c.Password == "":
		return errors.New("before the @ there must be a user and a password, USER:PASSWORD@")
	}
	return nil
}

func parseHosts(text string) ([]string, error) {
	var all []string
	for host := range strings.SplitSeq(text, ",") {
		name, port, err := net.SplitHostPort(host)
		if err != nil {
			name, port = strings.Trim(host, "[]"), defaultPort
		}
		n, failed := strconv.ParseUint(port, 10, 16)
		endpoint := net.JoinHostPort(name, port)
		switch {
		case name == "" || strings.ContainsFunc(name, strange) || strings.ContainsAny(name, "/@%[]") || err != nil && strings.Contains(host, ":") && !(strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")):
			return nil, fmt.Errorf("%q is not HOST:PORT, such as etcd1.example.com:2379", host)
		case failed != nil || n == 0:
			return nil, fmt.Errorf("%q: the port is not a number from 1 to 65535", host)
		case slices.Contains(all, endpoint):
			return nil, fmt.Errorf("%q is there twice", host)
		}
		all = append(all, endpoint)
	}
	return all, nil
}

func strange(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// isRemote reports whether an endpoint may be on another machine.
func isRemote(endpoint string) bool {
	name, _, _ := net.SplitHostPort(endpoint)
	return !host.IsLoopback(name)
}

// parsePrefix refuses prefixes that could lie inside of the keys of another prefix: with the store "/a", whose
// keys lie below "/a/k/", a store "/a/k/b" could not be told from keys of the first.
func parsePrefix(path string) (string, error) {
	path = strings.TrimRight(path, "/")
	decoded, err := url.PathUnescape(path)
	switch {
	case path == "":
		return "", errors.New("it names no prefix for the keys, such as /midas")
	case strings.Contains(path, "#"): // the fragment of a URL, which has no meaning here
		return "", fmt.Errorf("the prefix %q has a #: write it as %%23 if it belongs to the prefix", path)
	case err != nil || !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, strange):
		return "", fmt.Errorf("the prefix %q has characters that are not printed", path)
	case len(decoded) > longestPrefix:
		return "", fmt.Errorf("the prefix has more than %d bytes", longestPrefix)
	}
	for part := range strings.SplitSeq(decoded, "/") {
		switch part {
		case "", ".", "..":
			return "", fmt.Errorf("the prefix %q has a part that is empty, \".\" or \"..\"", path)
		case folder, head:
			return "", fmt.Errorf("the prefix %q has the part %q, which Midas itself uses below a prefix", path, part)
		}
	}
	return "/" + decoded, nil
}
