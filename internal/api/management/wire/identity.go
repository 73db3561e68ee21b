package wire

import (
	"cmp"
	"net/url"
	"slices"

	"midas/internal/arm"
	"midas/internal/identity"
)

// List is a page of a list.
type List[T any] struct {
	Value    []T    `json:"value"`
	NextLink string `json:"nextLink,omitempty"`
}

// Identity is a user-assigned identity in an answer.
type Identity struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       arm.Type           `json:"type"`
	Location   string             `json:"location"`
	Tags       map[string]string  `json:"tags"`
	Properties IdentityProperties `json:"properties"`
}

// IdentityProperties has the properties of all versions.
type IdentityProperties struct {
	TenantID     string                 `json:"tenantId"`
	PrincipalID  string                 `json:"principalId"`
	ClientID     string                 `json:"clientId"`
	SecretURL    string                 `json:"clientSecretUrl,omitempty"`
	Isolation    string                 `json:"isolationScope,omitempty"`
	Restrictions *identity.Restrictions `json:"assignmentRestrictions,omitempty"`
}

// EncodeIdentity encodes the fields of an identity that the version has. The origin is the server's, for
// clientSecretUrl.
func EncodeIdentity(v arm.Version, origin string, i identity.Identity) Identity {
	gate := gateOf(v)
	out := Identity{
		ID: identity.WireID(i.ID), Name: i.Name, Type: identity.Type, Location: i.Location, Tags: i.Tags,
		Properties: IdentityProperties{TenantID: i.TenantID, PrincipalID: i.PrincipalID, ClientID: i.ClientID},
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	if gate.SecretURL {
		out.Properties.SecretURL = secretURL(origin+identity.WireID(i.ID), out.Properties)
	}
	if gate.Isolation {
		out.Properties.Isolation = cmp.Or(i.Isolation, "None") // as Azure shows it where it was never set
	}
	if gate.Restrictions {
		out.Properties.Restrictions = i.Restrictions
	}
	return out
}

// secretURL returns the URL at which Azure has the certificate of an identity. Midas has none and does not
// serve the URL; some clients parse it.
func secretURL(at string, p IdentityProperties) string {
	query := url.Values{"tid": {p.TenantID}, "oid": {p.PrincipalID}, "aid": {p.ClientID}}
	return at + "/credentials?" + query.Encode()
}

// IdentityBody is the body of a PUT or PATCH of a user-assigned identity.
type IdentityBody struct {
	Location   Optional[string]            `json:"location"`
	Tags       Optional[map[string]string] `json:"tags"`
	Properties struct {
		Isolation    Optional[string]               `json:"isolationScope"`
		Restrictions Optional[identityRestrictions] `json:"assignmentRestrictions"`
	} `json:"properties"`
}

type identityRestrictions struct {
	Providers Optional[[]string] `json:"providers"`
}

// Replace returns the change of a PUT. It sets the fields that the version has to those of the body, and unsets
// them if the body does not have them. Other fields keep their values.
func (b IdentityBody) Replace(v arm.Version) identity.Change {
	return func(old identity.Identity) (identity.Identity, error) {
		if b.Location.Value == "" {
			return identity.Identity{}, arm.ErrLocationRequired()
		}
		gate := gateOf(v)
		old.Tags = b.Tags.Value
		old.Location = b.Location.Value
		if gate.Isolation {
			old.Isolation = b.Properties.Isolation.Value
		}
		if gate.Restrictions {
			old.Restrictions = nil
			b.mergeRestrictions(&old)
		}
		return old, nil
	}
}

// Merge returns the change of a PATCH. As in ARM, tags are replaced as a whole; properties are merged by
// RFC 7396.
func (b IdentityBody) Merge(v arm.Version) identity.Change {
	return func(old identity.Identity) (identity.Identity, error) {
		gate := gateOf(v)
		b.Tags.Merge(&old.Tags)
		if !b.Location.Null {
			b.Location.Merge(&old.Location)
		}
		if gate.Isolation {
			b.Properties.Isolation.Merge(&old.Isolation)
		}
		if gate.Restrictions {
			b.mergeRestrictions(&old)
		}
		return old, nil
	}
}

func (b IdentityBody) mergeRestrictions(into *identity.Identity) {
	switch r := b.Properties.Restrictions; {
	case r.Null:
		into.Restrictions = nil
	case r.Present && r.Value.Providers.Present:
		into.Restrictions = nil
		if providers := r.Value.Providers.Value; len(providers) > 0 {
			into.Restrictions = &identity.Restrictions{Providers: slices.Clone(providers)}
		}
	}
}
