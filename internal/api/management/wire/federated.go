package wire

import (
	"encoding/json"

	"midas/internal/arm"
	"midas/internal/identity"
)

// Federated is a federated identity credential in an answer.
type Federated struct {
	ID         string              `json:"id"`
	Name       string              `json:"name"`
	Type       arm.Type            `json:"type"`
	Properties FederatedProperties `json:"properties"`
}

// FederatedProperties has the properties of all versions.
type FederatedProperties struct {
	Issuer    string               `json:"issuer"`
	Subject   *string              `json:"subject,omitempty"`
	Matching  *identity.Expression `json:"claimsMatchingExpression,omitempty"`
	Audiences []string             `json:"audiences"`
}

// FederatedBody is the body of a PUT of a federated identity credential.
type FederatedBody struct {
	Properties FederatedProperties `json:"properties"`
}

// EncodeFederated encodes the fields of a credential that the version has. In a version without expressions a flexible
// credential has an empty subject: the version requires one, and a PUT of that subject is refused.
func EncodeFederated(v arm.Version, f identity.Federated) Federated {
	out := Federated{
		ID: identity.WireID(f.ID), Name: f.Name, Type: identity.FederatedType,
		Properties: FederatedProperties{Issuer: f.Issuer, Subject: &f.Subject, Audiences: f.Audiences},
	}
	if gateOf(v).Matching && f.Matching != nil {
		out.Properties.Subject, out.Properties.Matching = nil, f.Matching
	}
	return out
}

// Credential returns the credential that the body describes. It ignores fields that the version does not have.
func (b FederatedBody) Credential(v arm.Version) identity.Federated {
	f := identity.Federated{Issuer: b.Properties.Issuer, Audiences: b.Properties.Audiences}
	if b.Properties.Subject != nil {
		f.Subject = *b.Properties.Subject
	}
	if gateOf(v).Matching {
		f.Matching = b.Properties.Matching
	}
	return f
}

// ExportVersion returns the newest api-version that has all properties of a stored credential. The newest versions have
// no expressions, and require a subject.
func ExportVersion(properties json.RawMessage) arm.Version {
	var stored identity.Federated
	flexible := json.Unmarshal(properties, &stored) == nil && stored.Matching != nil
	versions := Versions(func(g Gate) bool { return g.Federated && (g.Matching || !flexible) })
	return versions[len(versions)-1]
}
