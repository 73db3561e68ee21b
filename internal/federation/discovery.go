package federation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxDiscovery is how many bytes a discovery document may have. Those of large issuers have about 4,000.
const maxDiscovery = 128 << 10

// discoveryAddress is the address of an issuer's discovery document.
func discoveryAddress(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// parseDiscovery returns the address of the keys in a discovery document. The document must be that of the issuer:
// an issuer that differs only in a slash at its end is another one. As in Entra, the document must have
// subject_types_supported, and must have authorization_endpoint, except that issuers of id tokens alone, such as
// Kubernetes and GitHub, need none.
func parseDiscovery(body []byte, issuer string) (jwksURI string, err error) {
	var doc map[string]json.RawMessage // encoding/json would fold the case of the names of a struct
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", fmt.Errorf("the discovery document is not a JSON object: %w", err)
	}
	if doc == nil {
		return "", errors.New("the discovery document is not a JSON object")
	}
	var named string
	if err := field(doc, "issuer", &named); err != nil {
		return "", err
	}
	if named != issuer {
		return "", fmt.Errorf("the discovery document is that of the issuer %.300q", named)
	}
	var types, responses []string
	if err := field(doc, "subject_types_supported", &types); err != nil {
		return "", err
	}
	_ = field(doc, "response_types_supported", &responses) // used for what follows only
	if _, found := doc["authorization_endpoint"]; !found && !slices.Equal(responses, []string{"id_token"}) {
		return "", errors.New("the discovery document has no authorization_endpoint")
	}
	if err := field(doc, "jwks_uri", &jwksURI); err != nil {
		return "", err
	}
	return jwksURI, nil
}

// field reads a required field of a JSON object.
func field(doc map[string]json.RawMessage, name string, to any) error {
	raw, found := doc[name]
	if !found || string(raw) == "null" {
		return fmt.Errorf("the document has no %s", name)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("the document's %s has the wrong type", name)
	}
	return nil
}
