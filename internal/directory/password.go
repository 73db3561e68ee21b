package directory

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"unicode"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"midas/internal/throttle"
)

// PasswordText is a user's password in the clear. It redacts itself wherever it is printed or logged.
type PasswordText string

func (PasswordText) String() string               { return redacted }
func (PasswordText) GoString() string             { return redacted }
func (PasswordText) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (PasswordText) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// The password policy. Users choose passwords, so they are weaker than generated secrets and get a slow
// hash.
const (
	minPasswordLength = 8
	maxPasswordLength = 256
	minPasswordKinds  = 3 // of lower case, upper case, digits, and other characters
)

// normalize converts a password to Unicode's composed form (NFC). Some systems type an é as one code point
// and others as two; both are the same password.
func normalize(pw PasswordText) PasswordText {
	if len(pw) > 4*maxPasswordLength { // too long in every form
		return pw
	}
	return PasswordText(norm.NFC.String(string(pw)))
}

// checkPassword returns an error that wraps ErrWeakPassword if the password violates the policy.
func checkPassword(pw PasswordText) error {
	var kinds [4]bool
	for _, r := range pw {
		switch {
		case unicode.IsControl(r):
			return fmt.Errorf("%w: it has control characters", ErrWeakPassword)
		case unicode.IsLower(r):
			kinds[0] = true
		case unicode.IsUpper(r):
			kinds[1] = true
		case unicode.IsDigit(r):
			kinds[2] = true
		default:
			kinds[3] = true
		}
	}
	n := 0
	for _, has := range kinds {
		if has {
			n++
		}
	}
	if len(pw) < minPasswordLength || len(pw) > maxPasswordLength || n < minPasswordKinds {
		return fmt.Errorf("%w: it needs %d to %d characters, and three of lower case, upper case, digits and symbols",
			ErrWeakPassword, minPasswordLength, maxPasswordLength)
	}
	return nil
}

// The parameters of argon2id, as OWASP recommends: 19 MiB and two passes, about 20 ms of one core.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

// PasswordHash is a hash in PHC form, $argon2id$v=19$m=…,t=…,p=…$salt$key. It contains its parameters, so
// that a later version can change them. It redacts itself wherever it is printed or logged. A user with
// an empty hash cannot sign in with a password.
type PasswordHash string

func (PasswordHash) String() string       { return redacted }
func (PasswordHash) GoString() string     { return redacted }
func (PasswordHash) LogValue() slog.Value { return slog.StringValue(redacted) }

// dummyPassword is compared for users that do not exist or have no password, so that both take the time of
// a wrong password. No password hashes to 32 zero bytes.
const dummyPassword PasswordHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

const phc = "$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s"

// HashPassword checks a new password and hashes its normalized form, for CreateUser and SetPassword. Call
// it outside their transaction, which may run twice. The error is ErrWeakPassword, ErrBusy or that of ctx.
func (d *Directory) HashPassword(ctx context.Context, pw PasswordText, by throttle.Waiter) (PasswordHash, error) {
	pw = normalize(pw)
	if err := checkPassword(pw); err != nil {
		return "", err
	}
	release, err := d.hashing.Acquire(ctx, by)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	defer release()
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // rand.Read never fails
	key := argon2.IDKey([]byte(pw), salt, argonTime, argonMemory, argonThreads, argonKey)
	encode := base64.RawStdEncoding.EncodeToString
	return PasswordHash(fmt.Sprintf(phc, argonMemory, argonTime, argonThreads, encode(salt), encode(key))), nil
}

// passwordMatches hashes a password with the parameters of an existing hash and compares in constant time.
// Each spelling costs one hash.
func (d *Directory) passwordMatches(ctx context.Context, hash PasswordHash, spellings []PasswordText, by throttle.Waiter) (bool, error) {
	var memory, time uint32
	var threads uint8
	parts := strings.Split(string(hash), "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" {
		return false, fmt.Errorf("the stored password hash has an unknown algorithm")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &threads); err != nil || memory == 0 || time == 0 || threads == 0 {
		return false, fmt.Errorf("the stored password hash has no cost: %w", err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("the stored password hash has no salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < argonKey {
		return false, fmt.Errorf("the stored password hash has no key: %w", err)
	}
	release, err := d.hashing.Acquire(ctx, by)
	if err != nil {
		return false, err
	}
	defer release()
	for _, pw := range spellings {
		if len(pw) > maxPasswordLength {
			pw = pw[:maxPasswordLength] + "." // longer than every password, so a prefix takes its place
		}
		got := argon2.IDKey([]byte(pw), salt, time, memory, threads, uint32(len(want)))
		if subtle.ConstantTimeCompare(got, want) == 1 {
			return true, nil
		}
	}
	return false, nil
}
