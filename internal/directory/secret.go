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

// SecretText is a client secret in the clear: what a client sends, and what the owner of an
// application is shown once. It redacts itself wherever it is printed or logged.
type SecretText string

const redacted = "[redacted]"

func (SecretText) String() string               { return redacted }
func (SecretText) GoString() string             { return redacted }
func (SecretText) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (SecretText) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// What a secret must have, so that a fast hash is enough to protect it: nobody can guess it, and
// nobody can find it from the hash. Generated ones have 200 random bits.
const (
	minSecretLength   = 16
	minSecretDistinct = 8 // different characters
	maxSecretLength   = 1024
	generatedLength   = 40
	hintLength        = 3
)

// GenerateSecret makes a secret of 40 letters and digits that are safe in URLs and shells.
func GenerateSecret() SecretText { return SecretText((rand.Text() + rand.Text())[:generatedLength]) }

// Secret is what is kept of a client secret: enough to recognise it, not to know it.
type Secret struct {
	KeyID       string    `json:"keyId"`
	DisplayName string    `json:"displayName,omitempty"`
	Hint        string    `json:"hint"` // its first three characters, by which its owner tells it from others
	Salt        []byte    `json:"salt"`
	Hash        []byte    `json:"hash"` // SHA-256 of salt and secret
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
}

// NewSecret makes the record of a secret, or gives ErrWeakSecret: a secret that somebody has chosen
// has at least 16 characters, 8 of them different, none of them a control character.
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
	_, _ = rand.Read(s.Salt) // it never fails, says its documentation
	s.Hash = hash(s.Salt, text)
	return s, nil
}

func hint(text SecretText) string {
	runes := []rune(string(text[:min(len(text), 4*hintLength)]))
	return string(runes[:hintLength])
}

// matches takes the same time whether or not it does.
func (s Secret) matches(text SecretText) bool {
	return subtle.ConstantTimeCompare(s.Hash, hash(s.Salt, text)) == 1
}

// validAt reports whether a moment is inside its time, whose start is forgiven clock.Skew: the secret may
// have been made before the clock was set back, or on another replica.
func (s Secret) validAt(now time.Time) bool { return clock.Begun(s.Start, now) && now.Before(s.End) }

func hash(salt []byte, text SecretText) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// LogValue says which secret it is, without what could confirm a guess.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (s Secret) String() string   { return "secret " + s.KeyID }
func (s Secret) GoString() string { return s.String() }
