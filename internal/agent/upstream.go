package agent

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Back-off of a server that has failed: it is asked again after firstBackOff, then after intervals that double each time
// up to lastBackOff. A quarter of them is random, so that the agents of many hosts do not ask at the same moment.
const (
	firstBackOff = time.Second
	lastBackOff  = 30 * time.Second
)

// upstream is one of the servers that a link can ask. It is safe for concurrent use.
type upstream struct {
	url    string
	config *tls.Config
	client atomic.Pointer[http.Client]

	mu       sync.Mutex
	failures int           // since its last answer
	retry    time.Time     // when it may be asked again; only with failures
	down     chan struct{} // closed when it begins to fail, or a connection is dead
	probing  bool          // a probe is under way
	renewed  time.Time     // when its connections were last replaced because an answer was late
}

func newUpstream(url string, config *tls.Config) *upstream {
	u := &upstream{url: url, config: config, down: make(chan struct{})}
	u.client.Store(u.newClient())
	return u
}

// newClient makes a client that has no connection yet.
func (u *upstream) newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			// No proxy: TLS has to end at the server, which takes the host from the client certificate.
			TLSClientConfig: u.config.Clone(), ForceAttemptHTTP2: true,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: tokenTimeout, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4,
			MaxResponseHeaderBytes: maxHeader,
			// A connection whose packets are dropped would otherwise look like a server that has no
			// change to report.
			HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// replace makes the next requests use new connections. If a request was not answered in time, the
// connection may be dead while the server works, and HTTP/2 sends all requests over one connection.
func (u *upstream) replace(silent *http.Client) {
	if u.client.CompareAndSwap(silent, u.newClient()) {
		silent.CloseIdleConnections()
	}
}

// renew is replace for a request that is late and may still be answered. It does nothing if the connections are
// rather new: a server with too much to do must not get new connections for each request that waits.
func (u *upstream) renew(silent *http.Client) {
	u.mu.Lock()
	recent := time.Since(u.renewed) < renewEvery
	if !recent {
		u.renewed = time.Now()
	}
	u.mu.Unlock()
	if !recent {
		u.replace(silent)
	}
}

// fail records that the server did not answer. It reports whether it has answered until now.
func (u *upstream) fail() (began bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	pause := min(firstBackOff<<min(u.failures, 8), lastBackOff)
	u.failures++
	u.retry = time.Now().Add(pause*3/4 + rand.N(pause/2))
	if u.failures > 1 {
		return false
	}
	close(u.down)
	return true
}

// lose records that a connection is dead, although the server answers over others: what waits on it has to be sent again.
func (u *upstream) lose() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failures == 0 {
		close(u.down)
		u.down = make(chan struct{})
	}
}

// recover records that the server has answered. It reports whether it had failed before.
func (u *upstream) recover() (ended bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failures == 0 {
		return false
	}
	u.failures, u.down = 0, make(chan struct{})
	return true
}

// health reports whether the server answers, and if it does not, when it may be asked again.
func (u *upstream) health() (answers bool, retry time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failures == 0, u.retry
}

// failing returns a channel that is closed when the server begins to fail, or a connection is dead; nil if it fails already.
func (u *upstream) failing() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failures > 0 {
		return nil
	}
	return u.down
}

// beginProbe reports whether a probe of a server that has failed may begin. endProbe must follow.
func (u *upstream) beginProbe(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failures == 0 || u.probing || now.Before(u.retry) {
		return false
	}
	u.probing = true
	return true
}

func (u *upstream) endProbe() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.probing = false
}

// verifyLearnt checks the certificate of a server that the agent has learnt of from another one. A certificate for its
// own name proves nothing if the authority certifies anybody's names, as public ones and those of companies do. So
// it has to be valid for the name of a server that the operator has named; or for one of the learnt names, its own and that of
// the installation, under an authority whose name constraints exclude the names of others, as those of Midas do.
func verifyLearnt(roots *x509.CertPool, configured, names []string) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		leaf, rest := state.PeerCertificates[0], x509.NewCertPool()
		for _, c := range state.PeerCertificates[1:] {
			rest.AddCert(c)
		}
		for _, server := range configured {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest, DNSName: hostOf(server)}); err == nil {
				return nil
			}
		}
		var failed error
		for _, name := range names {
			if name == "" { // no name is checked for an empty one
				continue
			}
			chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest, DNSName: name})
			if err == nil && roots != nil && slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool { return constrained(chain, name) }) {
				return nil
			}
			failed = cmp.Or(failed, err)
		}
		if failed != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: failed}
		}
		return errors.New("the certificate of this learnt server is not valid for the name of a server that was given with --server")
	}
}

// constrained reports whether the root of a chain can only certify certain names of the kind of name. Constraints of
// addresses say nothing about host names, nor the other way round (RFC 5280, section 4.2.1.10).
func constrained(chain []*x509.Certificate, name string) bool {
	root := chain[len(chain)-1]
	permitted := len(root.PermittedDNSDomains)
	if net.ParseIP(name) != nil {
		permitted = len(root.PermittedIPRanges)
	}
	return root.PermittedDNSDomainsCritical && permitted > 0
}

// The causes for which the link itself ends a request.
var (
	errBeaten = errors.New("another server has answered earlier")
	errDown   = errors.New("the server does not answer other requests")
)

// late reports whether a request has ended because the server was too slow.
func late(ctx context.Context, err error) bool {
	var timeout net.Error
	cause := context.Cause(ctx)
	return cause == errBeaten || cause == errDown || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
