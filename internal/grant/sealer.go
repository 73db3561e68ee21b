package grant

import (
	"encoding/json"
	"fmt"

	"midas/internal/seal"
)

// Sealer seals JSON values that clients and browsers store for the server, so that they can neither read
// nor change them. It is safe for concurrent use.
type Sealer struct {
	sealer *seal.Sealer
	hasher *seal.Hasher
}

// NewSealer derives the keys from the server's master key, so that sealed values open after a restart
// and at every replica.
func NewSealer(master seal.Source) (*Sealer, error) {
	sealer, err := seal.New(master, "midas sign-in")
	if err != nil {
		return nil, err
	}
	hasher, err := seal.NewHasher(master, "midas sign-in digest")
	if err != nil {
		return nil, err
	}
	return &Sealer{sealer: sealer, hasher: hasher}, nil
}

// Seal encrypts the JSON of v. The result is safe in URLs, forms and cookies, and opens for the same
// purpose only.
func (s *Sealer) Seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal a %s: %w", purpose, err)
	}
	return s.sealer.SealText(purpose, plain), nil
}

// Open decodes a sealed value into v. It returns seal.ErrSealed if Seal did not make the value for this
// purpose.
func (s *Sealer) Open(purpose, sealed string, v any) error {
	plain, err := s.sealer.OpenText(purpose, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("open a %s: %w", purpose, err)
	}
	return nil
}
