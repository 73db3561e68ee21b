package directory

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"time"

	"midas/internal/clock"
)

// SecretText is a client secret in the clear, as clients send it and as addPassword returns it once. It
// redacts itself wherever it is printed or logged.
type SecretText string

const redacted = "[redacted]"

func (SecretText) String() string               { return redacted }
func (SecretText) GoString() string             { return redacted }
func (SecretText) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (SecretText) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// The policy for secrets. They are hard enough to guess that a fast hash protects them. Generated secrets
// have 200 random bits.
const (
	minSecretLength   = 16
	minSecretDistinct = 8 // different characters
	maxSecretLength   = 1024
	generatedLength   = 40
	hintLength        = 3
)

// GenerateSecret returns a secret of 40 letters and digits, which are safe in URLs and shells.
func GenerateSecret() SecretText { return SecretText((rand.Text() + rand.Text())[:generatedLength]) }

// Secret is the record of a client secret. It holds a salted hash and not the secret.
type Secret struct {
	KeyID       string    `json:"keyId"`
	DisplayName string    `json:"displayName,omitempty"`
	Hint        string    `json:"hint"` // the first three characters, so that an owner can recognize it
	Salt        []byte    `json:"salt"`
	Hash        []byte    `json:"hash"` // SHA-256 of salt and secret
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
}

// NewSecret returns the record of a secret, or ErrWeakSecret. A secret needs at least 16 bytes, 8 different
// characters and no control character.
func NewSecret(keyID string, text SecretText, start, end time.Time) (Secret, error) {
	distinct := map[rune]bool{}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return Secret{}, fmt.Errorf("%w: it has control characters", ErrWeakSecret)
		}
		distinct[r] = true
	}
	if len(text) < minSecretLength || len(text) > maxSecretLength || len(distinct) < minSecretDistinct {
		return Secret{}, fmt.Errorf("%w: it needs %d to %d characters, %d of them different",
			ErrWeakSecret, minSecretLength, maxSecretLength, minSecretDistinct)
	}
	if !start.Before(end) {
		return Secret{}, fmt.Errorf("new secret %s: it ends at %s, before it starts", keyID, end)
	}
	s := Secret{KeyID: keyID, Hint: hint(text), Salt: make([]byte, 16), Start: start.UTC(), End: end.UTC()}
	_, _ = rand.Read(s.Salt) // rand.Read never fails
	s.Hash = hash(s.Salt, text)
	return s, nil
}

func hint(text SecretText) string {
	runes := []rune(string(text[:min(len(text), 4*hintLength)]))
	return string(runes[:hintLength])
}

// matches compares in constant time.
func (s Secret) matches(text SecretText) bool {
	return subtle.ConstantTimeCompare(s.Hash, hash(s.Salt, text)) == 1
}

// validAt reports whether the secret is valid at a time. Start may be up to clock.Skew later, because the
// secret may have been created before the clock was set back, or on another replica.
func (s Secret) validAt(now time.Time) bool { return clock.Begun(s.Start, now) && now.Before(s.End) }

func hash(salt []byte, text SecretText) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// LogValue is the key id. It contains neither hash nor hint.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (s Secret) String() string   { return "secret " + s.KeyID }
func (s Secret) GoString() string { return s.String() }
