package verify

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// The defaults and the bound of the options.
const (
	DefaultSkew              = time.Minute
	DefaultKeysMaxAge        = 24 * time.Hour
	DefaultRevocationsMaxAge = 10 * time.Minute
	MaxSkew                  = 10 * time.Minute
)

// Option changes what New makes. A Requirement is an Option, too.
type Option interface{ apply(*settings) error }

// option is an Option that is no Requirement.
type option func(*settings) error

func (o option) apply(s *settings) error { return o(s) }

// settings are what the options say.
type settings struct {
	audiences    []string
	skew         time.Duration
	keysMaxAge   time.Duration
	listMaxAge   time.Duration
	noList       bool
	client       *http.Client
	roots        *x509.CertPool
	log          *slog.Logger
	requirements []Requirement
}

func newSettings(audience string, options []Option) (*settings, error) {
	s := &settings{
		audiences: []string{audience}, skew: DefaultSkew, keysMaxAge: DefaultKeysMaxAge,
		listMaxAge: DefaultRevocationsMaxAge, log: slog.New(slog.DiscardHandler),
	}
	for _, o := range options {
		if err := o.apply(s); err != nil {
			return nil, err
		}
	}
	for _, a := range s.audiences {
		if a == "" {
			return nil, errors.New("an audience is empty")
		}
	}
	if s.client != nil && s.roots != nil {
		return nil, errors.New("WithCA and WithHTTPClient exclude each other: set the roots of the client's transport")
	}
	return s, nil
}

// WithAudiences accepts tokens for other audiences too, such as the client id beside the identifier URI. Audiences
// are compared exactly.
func WithAudiences(audiences ...string) Option {
	return option(func(s *settings) error {
		s.audiences = append(s.audiences, audiences...)
		return nil
	})
}

// WithSkew sets how far the clocks of the issuer and of this machine may differ, for exp, nbf and iat. It is
// DefaultSkew otherwise, and MaxSkew at most.
func WithSkew(d time.Duration) Option {
	return option(func(s *settings) error {
		if d < 0 || d > MaxSkew {
			return fmt.Errorf("a skew of %s is not between 0 and %s", d, MaxSkew)
		}
		s.skew = d
		return nil
	})
}

// WithKeysMaxAge sets for how long the keys of the last successful fetch are used while the issuer cannot be
// reached. It is DefaultKeysMaxAge otherwise.
func WithKeysMaxAge(d time.Duration) Option {
	return option(func(s *settings) error { return setAge(&s.keysMaxAge, d) })
}

// WithRevocationsMaxAge sets for how long the list of revocations is used after the issuer last confirmed it, at most
// until the list expires, which is an hour after Midas signed it. Later, Verify fails with ErrUnavailable until the
// list can be fetched. It is DefaultRevocationsMaxAge otherwise: a longer time outlives longer outages of the issuer, a
// shorter one lets a token that was revoked during an outage end sooner.
func WithRevocationsMaxAge(d time.Duration) Option {
	return option(func(s *settings) error { return setAge(&s.listMaxAge, d) })
}

// setAge checks that an age leaves time for a second attempt.
func setAge(to *time.Duration, d time.Duration) error {
	if d < fetchTimeout {
		return fmt.Errorf("an age of %s is shorter than one request may take, %s", d, fetchTimeout)
	}
	*to = d
	return nil
}

// WithoutRevocations is for issuers that have no list of revocations. A revoked token is then accepted until it
// expires. Without this option, New fails if the issuer has no list.
func WithoutRevocations() Option {
	return option(func(s *settings) error {
		s.noList = true
		return nil
	})
}

// WithCA trusts the certificate authorities in PEM, such as the ca.pem of Midas, and no others.
func WithCA(pem []byte) Option {
	return option(func(s *settings) error {
		if s.roots == nil {
			s.roots = x509.NewCertPool()
		}
		if !s.roots.AppendCertsFromPEM(pem) {
			return errors.New("the CA has no certificate in PEM")
		}
		return nil
	})
}

// WithHTTPClient sets the client for requests to the issuer. The Verifier uses a copy that follows no redirects, has
// no cookies, and has a timeout of five seconds unless it is shorter. Without this option and WithCA, the certificate
// authorities of the machine are trusted, and the proxy of the environment is used.
func WithHTTPClient(c *http.Client) Option {
	return option(func(s *settings) error {
		if c == nil {
			return errors.New("the HTTP client is nil")
		}
		s.client = c
		return nil
	})
}

// WithLogger sets a logger for failures of the refresh in the background. They are not logged otherwise.
func WithLogger(log *slog.Logger) Option {
	return option(func(s *settings) error {
		if log == nil {
			return errors.New("the logger is nil")
		}
		s.log = log
		return nil
	})
}
