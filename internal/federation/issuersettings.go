package federation

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// IssuerSettings are what the operator allows for one issuer.
type IssuerSettings struct {
	Issuer string // exactly as in its tokens

	// CA is a PEM file with the certificate authorities of the issuer's server. Empty: those of the system.
	CA string
	// JWKS is a file with the keys of the issuer. If it is set, nothing is fetched.
	JWKS string
	// Private allows the issuer to be at a loopback address or in a private network.
	Private bool

	// Enterprise are the values of the claim "enterprise" of which the issuer's tokens must have one. Empty:
	// the claim is not examined.
	Enterprise []string
}

// check returns an error that says what is wrong with the settings.
func (s IssuerSettings) check() error {
	if err := checkIssuer(s.Issuer); err != nil {
		return fmt.Errorf("issuer %q: %w", s.Issuer, err)
	}
	return nil
}

// checkIssuer says whether a discovery document can be at an issuer (OpenID Connect Discovery 1.0, section 4).
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case !strings.HasPrefix(issuer, "https://") || u.Hostname() == "": // no credential names an issuer in upper case
		return errors.New("it is not an https URL with a host")
	case u.User != nil || u.Opaque != "":
		return errors.New("it has user information")
	case strings.ContainsAny(issuer, "?#"):
		return errors.New("it has a query or a fragment")
	}
	return nil
}
