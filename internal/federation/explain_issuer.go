package federation

import (
	"net/url"
	"strings"

	"midas/internal/arm"
)

// The differences between two issuers.
const (
	TrailingSlash Difference = "TrailingSlash"
	Scheme        Difference = "Scheme"
	HostCase      Difference = "HostCase"
	Port          Difference = "Port"
	Path          Difference = "Path"
	Host          Difference = "Host"
	Discovery     Difference = "DiscoveryAddress" // one of them is the address of the discovery document
	EntraVersion  Difference = "EntraVersion"     // the issuers of Entra's tokens of version 1.0 and 2.0
)

const wellKnown = "/.well-known/openid-configuration"

// differIssuer returns how the issuer of a token differs from that of a credential.
func differIssuer(presented, configured string) (Difference, string) {
	d, text := differ(presented, configured)
	if d != Other && d != Case || configured == "" {
		return d, text
	}
	bare := func(s string) string { return strings.TrimRight(s, "/") }
	document := func(s string) string { return bare(strings.TrimSuffix(s, wellKnown)) }
	switch {
	case presented == strings.TrimPrefix(configured, "https://"):
		return Scheme, "The issuer of the token has no https:// at its beginning, and tokens of such issuers are never accepted. Ask the issuer for a token whose issuer is an https address."
	case bare(presented) == bare(configured):
		return TrailingSlash, slash(presented, configured)
	case document(presented) == document(configured):
		return Discovery, sides(presented, configured, func(s string) bool { return strings.HasSuffix(s, wellKnown) },
			"the address of the discovery document, and the issuer is the part before "+wellKnown)
	case entraTenant(presented) != "" && entraTenant(configured) != "":
		return differEntra(presented, configured)
	}
	p, errP := url.Parse(presented)
	c, errC := url.Parse(configured)
	if errP != nil || errC != nil || p.Host == "" || c.Host == "" {
		return d, text
	}
	return differURL(p, c, d, text)
}

// slash says which of two issuers has a slash at its end.
func slash(presented, configured string) string {
	has, lacks := "the token", "the credential"
	if len(configured) > len(presented) {
		has, lacks = lacks, has
	}
	return "The issuer of " + has + " has a slash at its end and that of " + lacks + " has not. The comparison is exact."
}

// differURL compares the parts of two issuers. The difference and the text are those of the whole.
func differURL(p, c *url.URL, d Difference, text string) (Difference, string) {
	rest := func(u *url.URL) string { return strings.TrimRight(u.EscapedPath(), "/") + "?" + u.RawQuery }
	samePath, sameHost := rest(p) == rest(c), p.Host == c.Host
	switch {
	case samePath && sameHost && p.Scheme != c.Scheme:
		return Scheme, "One begins with " + p.Scheme + "://, the other with " + c.Scheme + "://. An issuer must be an https address."
	case samePath && arm.SameName(p.Host, c.Host) && !sameHost:
		return HostCase, "The host names differ only in case, and the comparison is case-sensitive."
	case samePath && arm.SameName(p.Hostname(), c.Hostname()):
		return Port, "The ports differ. The comparison is exact, so a port that is the default counts too."
	case samePath:
		return Host, "The hosts differ and the paths are the same."
	case sameHost && d != Case:
		return Path, "The host is the same and the path differs: " + shown(p.EscapedPath()) + " and " + shown(c.EscapedPath()) + "."
	}
	return d, text
}

// The beginnings of the issuers of Entra's tokens.
const (
	entraV1 = "https://sts.windows.net/"
	entraV2 = "https://login.microsoftonline.com/"
)

// entraTenant returns the tenant of an issuer of Entra, or empty if the issuer is another one.
func entraTenant(issuer string) string {
	for _, prefix := range []string{entraV1, entraV2} {
		if rest, found := strings.CutPrefix(issuer, prefix); found {
			tenant, _, _ := strings.Cut(rest, "/")
			return tenant
		}
	}
	return ""
}

// differEntra compares two issuers of Entra, which differ.
func differEntra(presented, configured string) (Difference, string) {
	text := "They are the issuers of two tenants."
	if arm.SameName(entraTenant(presented), entraTenant(configured)) {
		text = "Both are of the same tenant."
	}
	version := func(s string) string {
		if strings.HasPrefix(s, entraV1) {
			return "1.0"
		}
		return "2.0"
	}
	if p, c := version(presented), version(configured); p != c {
		return EntraVersion, "The token is of version " + p + " of Entra's tokens, and the credential has the issuer of version " + c + ". " + text
	}
	return Path, text
}
