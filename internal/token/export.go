package token

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// KeySet is a JSON Web Key Set (RFC 7517, 5) of public keys.
type KeySet struct {
	Keys []PublicKey `json:"keys"`
}

// Export writes the key set for parties that cannot fetch it, as one line. Other than the published set, each key
// names its algorithm, because some parties require it in a file.
func (k *Keys) Export(w io.Writer) error {
	set := KeySet{k.PublicKeys("")}
	for i := range set.Keys {
		set.Keys[i].Algorithm = "RS256"
	}
	if err := json.NewEncoder(w).Encode(set); err != nil {
		return fmt.Errorf("write the key set: %w", err)
	}
	return nil
}

// PEM returns the public keys of a set that Export has written, in the form of PKIX.
func PEM(set []byte) (out []byte, err error) {
	var all KeySet
	if err := json.Unmarshal(set, &all); err != nil {
		return nil, fmt.Errorf("read the key set: %w", err)
	}
	for _, key := range all.Keys {
		if len(key.Certificates) != 1 {
			return nil, errors.New("read the key set: a key has no certificate")
		}
		der, err := base64.StdEncoding.DecodeString(key.Certificates[0])
		if err != nil {
			return nil, fmt.Errorf("read the key set: %w", err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read the key set: %w", err)
		}
		public, err := x509.MarshalPKIXPublicKey(certificate.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("encode key %s: %w", key.KeyID, err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})...)
	}
	return out, nil
}
