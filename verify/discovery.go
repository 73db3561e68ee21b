package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// tenantOf is what the discovery documents of a tenant say.
type tenantOf struct {
	name    string
	issuers map[string]string // the exact issuer of the tokens of each version
	keys    string            // the address of the key set
	list    string            // the address of the list of revocations, or ""
}

// document is the part of a discovery document that is read (OpenID Connect Discovery 1.0, 3).
type document struct {
	Issuer      string `json:"issuer"`
	Keys        string `json:"jwks_uri"`
	Revocations string `json:"midas_revocations_uri"`
}

// discover reads the discovery documents of both versions, because the registration of an audience, and not the
// caller of New, determines the version of its tokens. A server that has no document of the other version issues no
// tokens of that version.
func discover(ctx context.Context, f *fetcher, given issuer) (*tenantOf, error) {
	own, err := readDocument(ctx, f, given, given.version)
	if err != nil {
		return nil, err
	}
	if own.Issuer != given.url {
		return nil, fmt.Errorf("the discovery document names the issuer %s, which is not exactly the one that was given", quote(own.Issuer))
	}
	if own.Keys == "" {
		return nil, errors.New("the discovery document has no jwks_uri")
	}
	t := &tenantOf{name: given.tenant, issuers: map[string]string{given.version: given.url}, keys: own.Keys, list: own.Revocations}
	other, err := readDocument(ctx, f, given, given.other())
	if status := statusError(0); errors.As(err, &status) && status == http.StatusNotFound {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	sister, err := parseIssuer(other.Issuer)
	if err != nil || sister.tenant != given.tenant || sister.version != given.other() {
		return nil, fmt.Errorf("the discovery document of version %s names the issuer %s, which is not of the same tenant", given.other(), quote(other.Issuer))
	}
	t.issuers[sister.version] = sister.url
	if t.list == "" {
		t.list = other.Revocations
	}
	return t, nil
}

// readDocument fetches a discovery document. The addresses in it must be at the origin of the issuer.
func readDocument(ctx context.Context, f *fetcher, given issuer, version string) (document, error) {
	var d document
	address := given.discovery(version)
	body, _, err := f.get(ctx, request{url: address, limit: maxDocument})
	if err != nil {
		return d, fmt.Errorf("fetch the discovery document: %w", err)
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return d, fmt.Errorf("read %s: %w", address, err)
	}
	for _, named := range []string{d.Keys, d.Revocations} {
		if named != "" && !at(named, given.origin) {
			return d, fmt.Errorf("%s names %s, which is not at %s", address, quote(named), given.origin)
		}
	}
	return d, nil
}

// at reports whether an address is at an origin.
func at(address, origin string) bool {
	u, err := url.Parse(address)
	return err == nil && u.User == nil && u.Scheme+"://"+u.Host == origin
}
