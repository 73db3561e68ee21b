package wire

import (
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

// FederatedProperties is the union of all versions.
type FederatedProperties struct {
	Issuer    string               `json:"issuer"`
	Subject   string               `json:"subject,omitempty"`
	Matching  *identity.Expression `json:"claimsMatchingExpression,omitempty"`
	Audiences []string             `json:"audiences"`
}

// FederatedBody is the body of a PUT.
type FederatedBody struct {
	Properties FederatedProperties `json:"properties"`
}

// EncodeFederated shows of a credential what a version can see.
func EncodeFederated(v arm.Version, f identity.Federated) Federated {
	out := Federated{
		ID: identity.WireID(f.ID), Name: f.Name, Type: identity.FederatedType,
		Properties: FederatedProperties{Issuer: f.Issuer, Subject: f.Subject, Audiences: f.Audiences},
	}
	if gateOf(v).Matching {
		out.Properties.Matching = f.Matching
	}
	return out
}

// Credential is what the body asks for, as far as the version can say it.
func (b FederatedBody) Credential(v arm.Version) identity.Federated {
	f := identity.Federated{Issuer: b.Properties.Issuer, Subject: b.Properties.Subject, Audiences: b.Properties.Audiences}
	if gateOf(v).Matching {
		f.Matching = b.Properties.Matching
	}
	return f
}
