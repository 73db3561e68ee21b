package grant

import (
	"encoding/json"
	"fmt"

	"midas/internal/seal"
)

// Box seals what clients and browsers keep for the server, so that they can neither read nor change
// it. It is safe for concurrent use.
type Box struct {
	sealer *seal.Sealer
	hasher *seal.Hasher
}

// NewBox makes the box from the server's master key, so that what it has sealed outlives a restart
// and is good at every replica.
func NewBox(master seal.MasterKey) (*Box, error) {
	sealer, err := seal.New(master, "midas sign-in")
	if err != nil {
		return nil, err
	}
	hasher, err := seal.NewHasher(master, "midas sign-in digest")
	if err != nil {
		return nil, err
	}
	return &Box{sealer: sealer, hasher: hasher}, nil
}

// Seal gives v as text that is safe in URLs, forms and cookies. It opens for the same purpose only.
func (b *Box) Seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal a %s: %w", purpose, err)
	}
	return b.sealer.SealText(purpose, plain), nil
}

// Open reads into v what Seal has made, or gives seal.ErrSealed.
func (b *Box) Open(purpose, sealed string, v any) error {
	plain, err := b.sealer.OpenText(purpose, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("open a %s: %w", purpose, err)
	}
	return nil
}
