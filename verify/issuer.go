package verify

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// sharedNames are names that stand for any tenant in addresses and never in the issuer of a token.
var sharedNames = []string{"common", "organizations", "consumers", "adfs"}

// issuer is the issuer of a tenant in one of its two forms.
type issuer struct {
	url     string // exactly as tokens have it
	origin  string // https://HOST
	tenant  string
	version string // v1: https://HOST/TENANT/, v2: https://HOST/TENANT/v2.0
}

// parseIssuer reads an issuer. Nothing is corrected, because issuers are compared exactly.
func parseIssuer(text string) (issuer, error) {
	u, err := url.Parse(text)
	if err != nil {
		return issuer{}, errors.New("it is not a URL")
	}
	if u.Scheme != "https" || u.Host == "" {
		return issuer{}, errors.New("it is not an https URL")
	}
	origin := "https://" + u.Host
	path, under := strings.CutPrefix(text, origin+"/")
	tenant, rest, slash := strings.Cut(path, "/")
	switch {
	case !under || !validTenant(tenant):
		return issuer{}, errors.New("it is not https://HOST/TENANT/v2.0 or https://HOST/TENANT/")
	case slices.Contains(sharedNames, tenant):
		return issuer{}, fmt.Errorf("%q is not one tenant", tenant)
	case rest == "v2.0":
		return issuer{url: text, origin: origin, tenant: tenant, version: v2}, nil
	case rest == "" && slash:
		return issuer{url: text, origin: origin, tenant: tenant, version: v1}, nil
	case rest == "":
		return issuer{}, errors.New("an issuer of version 1.0 has a slash at its end")
	}
	return issuer{}, errors.New("it has another path than /TENANT/v2.0 or /TENANT/")
}

// validTenant reports whether a segment of a path can be the id or a domain of a tenant.
func validTenant(name string) bool {
	if name == "" {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// discovery returns the address of the discovery document of a version.
func (i issuer) discovery(version string) string {
	if version == v2 {
		return i.origin + "/" + i.tenant + "/v2.0/.well-known/openid-configuration"
	}
	return i.origin + "/" + i.tenant + "/.well-known/openid-configuration"
}

// other returns the version that this one is not.
func (i issuer) other() string {
	if i.version == v2 {
		return v1
	}
	return v2
}
