package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The versions of access tokens. The registration of the audience determines the version.
const (
	v1 = "1.0"
	v2 = "2.0"
)

// Claims are the claims of an access token that passed all checks. They are shared between requests that present
// the same token: callers must not change them. Rights that a service keeps itself are best kept by ObjectID, which
// no other principal of the tenant ever has.
type Claims struct {
	Issuer   string // iss
	Audience string // aud, one of those of the Verifier
	TenantID string // tid
	Version  string // ver: "1.0" or "2.0"

	ObjectID    string // oid: the object id of the identity, application or user
	Subject     string // sub: in tokens of users it differs for each audience
	ClientID    string // appid, in version 2.0 azp: the client that got the token
	ClientAuth  string // appidacr, in version 2.0 azpacr: "0" public client, "1" secret, "2" certificate or assertion
	Application bool   // the caller is an application or a managed identity, without a user (idtyp app)
	User        bool   // the caller acts for a user (idtyp user, or scp where idtyp is missing)
	ResourceID  string // xms_mirid: the ARM id of a managed identity, in tokens for Microsoft's resources

	Roles    []string // roles: app roles of the caller at the audience
	Scopes   []string // scp: what the user lets the client do; empty unless User
	Groups   []string // groups, if the registration of the audience asks for them
	Username string   // upn, or preferred_username
	Name     string   // name

	ID        string    // uti: unique for each token
	IssuedAt  time.Time // midas_iat, else iat. Midas's iat is five minutes earlier than the time of issue
	NotBefore time.Time // nbf
	Expires   time.Time // exp

	payload []byte
}

// Read decodes any claim of the token into a variable, as encoding/json does, and reports whether the token has
// the claim. The error means that the claim has another type.
func (c *Claims) Read(claim string, into any) (bool, error) {
	o, err := parseObject(c.payload)
	if err != nil {
		return false, err
	}
	return o.read(claim, into)
}

// parseClaims reads the payload of an access token. The error says what is missing or of the wrong type.
func parseClaims(payload []byte) (*Claims, error) {
	o, err := parseObject(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: the payload: %w", ErrMalformed, err)
	}
	if err := o.bearer(); err != nil {
		return nil, err
	}
	r := &reader{object: o}
	c := &Claims{
		Issuer: r.text("iss"), Audience: r.audience(), TenantID: r.text("tid"), Version: r.text("ver"),
		ObjectID: r.text("oid"), Subject: r.text("sub"), ResourceID: r.text("xms_mirid"), ID: r.text("uti"),
		Roles: r.texts("roles"), Scopes: strings.Fields(r.text("scp")), Groups: r.texts("groups"),
		Username: r.text("upn"), Name: r.text("name"), payload: slices.Clone(payload),
	}
	c.readClient(r)
	c.readTimes(r)
	for _, claim := range []struct{ name, value string }{{"iss", c.Issuer}, {"aud", c.Audience}, {"tid", c.TenantID}, {"oid", c.ObjectID}, {"sub", c.Subject}} {
		if claim.value == "" {
			r.fail("%q is missing", claim.name)
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("%w: the payload: %w", ErrMalformed, r.err)
	}
	if c.ClientID == "" {
		return nil, fmt.Errorf("%w: it names no client", ErrIDToken)
	}
	return c, nil
}

// bearer returns an error if the claims are those of a bound token or of an id_token. Their values do not matter.
func (o object) bearer() error {
	if o.has("cnf") {
		return ErrBound
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash"} { // OpenID Connect Core 1.0, 2 and 3.3.2.11
		if o.has(name) {
			return fmt.Errorf("%w: it has the claim %s of an id_token", ErrIDToken, name)
		}
	}
	return nil
}

// readClient reads what differs between the versions, and the kind of the caller.
func (c *Claims) readClient(r *reader) {
	switch c.Version {
	case v1:
		c.ClientID, c.ClientAuth = r.text("appid"), r.text("appidacr")
	case v2:
		c.ClientID, c.ClientAuth = r.text("azp"), r.text("azpacr")
		if c.Username == "" {
			c.Username = r.text("preferred_username")
		}
	default:
		r.fail("%q is neither %q nor %q", "ver", v1, v2)
	}
	switch kind := r.text("idtyp"); kind {
	case "app":
		c.Application = true
		if len(c.Scopes) > 0 {
			r.fail("an application has no %q", "scp")
		}
	case "user":
		c.User = true
	case "": // Entra's tokens without the optional claim
		c.User = len(c.Scopes) > 0
	default:
		r.fail("%q is %s, neither \"app\" nor \"user\"", "idtyp", quote(kind))
	}
}

// readTimes reads exp, nbf and iat, of which exp and iat are required: revocation compares the time of issue.
func (c *Claims) readTimes(r *reader) {
	expires, hasExpiry := r.time("exp")
	issued, hasIssue := r.time("iat")
	c.Expires = expires
	c.NotBefore, _ = r.time("nbf")
	if !hasExpiry || !hasIssue {
		r.fail("\"exp\" or \"iat\" is missing")
	}
	if issued.After(c.NotBefore) {
		c.NotBefore = issued // a token is not valid before it was issued
	}
	c.IssuedAt = issued
	if exact, ok := r.time("midas_iat"); ok {
		c.IssuedAt = exact
	}
}

// audience returns aud, which is a string, or an array of one string (RFC 7519, 4.1.3). A token for several
// audiences is refused, because each of them could present it to the others.
func (r *reader) audience() string {
	if raw := r.object["aud"]; len(raw) > 0 && raw[0] == '[' {
		all := r.texts("aud")
		if len(all) != 1 {
			r.fail("\"aud\" has %d values", len(all))
			return ""
		}
		return all[0]
	}
	return r.text("aud")
}
