package token

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// SignDocument signs a public statement of this installation with the key that signs tokens now, and returns the
// compact form and the key id. Its media type, the typ of the header, differs from that of tokens, so that nothing
// takes the one for the other (RFC 8725, 3.11).
func (i *Issuer) SignDocument(mediaType string, document any) (raw, kid string, err error) {
	key := i.Keys.signer(i.Now())
	if key == nil {
		return "", "", errors.New("sign document: there is no signing key")
	}
	payload, err := json.Marshal(document)
	if err != nil {
		return "", "", fmt.Errorf("sign document: %w", err)
	}
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(mediaType)).WithHeader("x5t", key.kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key.private, KeyID: key.kid}}, options)
	if err != nil {
		return "", "", fmt.Errorf("sign document: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", "", fmt.Errorf("sign document: %w", err)
	}
	raw, err = signed.CompactSerialize()
	return raw, key.kid, err
}

// Publishes reports whether the key set has a key now.
func (i *Issuer) Publishes(kid string) bool {
	_, published := i.Keys.published(kid, i.Now())
	return published
}
