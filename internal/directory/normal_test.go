package directory_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

// The same password in composed and in decomposed form.
const (
	composed   = directory.PasswordText("Pr\u00fcfung-\u00c9t\u00e9-7")
	decomposed = directory.PasswordText("Pru\u0308fung-E\u0301te\u0301-7")
)

func signsIn(t *testing.T, d *directory.Directory, pw directory.PasswordText) bool {
	t.Helper()
	_, err := d.AuthenticateUser(t.Context(), tenant, user().UserPrincipalName, pw, throttle.Waiter{})
	if err != nil && !errors.Is(err, directory.ErrWrongPassword) {
		t.Fatal(err)
	}
	return err == nil
}

// TestPasswordsAreNormalized sets and checks the password in both forms.
func TestPasswordsAreNormalized(t *testing.T) {
	for _, chosen := range []directory.PasswordText{composed, decomposed} {
		for name, set := range map[string]func(*directory.Directory, directory.PasswordHash){
			"from the beginning": func(d *directory.Directory, hash directory.PasswordHash) {
				do(t, d, func(tx store.Tx) error { return d.CreateUser(tx, user(), hash) })
			},
			"changed later, then the user is updated": func(d *directory.Directory, hash directory.PasswordHash) {
				do(t, d, func(tx store.Tx) error { return d.CreateUser(tx, user(), "") })
				do(t, d, func(tx store.Tx) error { return d.SetPassword(tx, tenant, userID, hash) })
				do(t, d, func(tx store.Tx) error { return d.UpdateUser(tx, user()) })
			},
		} {
			d := newDirectory(t)
			set(d, hashed(t, d, chosen))
			for _, typed := range []directory.PasswordText{composed, decomposed} {
				if !signsIn(t, d, typed) {
					t.Errorf("%s: chosen as %+q, refused as %+q", name, string(chosen), string(typed))
				}
			}
			for _, wrong := range []directory.PasswordText{"Prufung-Ete-7", "Pr\u00fcfung-\u00c9t\u00e9-8", composed + "\u0301", "", directory.PasswordText(strings.Repeat("u\u0308", 10_000))} {
				if signsIn(t, d, wrong) {
					t.Errorf("%s: %+.40q is taken", name, string(wrong))
				}
			}
		}
	}
}

// TestHashesFromBeforeNormalizationStillMatch reads a record of an earlier version, whose hash is that of the password
// as typed.
func TestHashesFromBeforeNormalizationStillMatch(t *testing.T) {
	for _, chosen := range []directory.PasswordText{composed, decomposed, password} {
		d := withUser(t)
		salt := []byte("0123456789abcdef")
		encode := base64.RawStdEncoding.EncodeToString
		old := fmt.Sprintf("$argon2id$v=19$m=19456,t=2,p=1$%s$%s", encode(salt), encode(argon2.IDKey([]byte(chosen), salt, 2, 19456, 1, 32)))
		do(t, d, func(tx store.Tx) error {
			key := store.UserKind.Key(tenant, userID)
			rec, err := tx.Get(key)
			if err != nil {
				return err
			}
			text := string(rec.Value)
			begin := strings.Index(text, "$argon2id$")
			text = text[:begin] + old + text[begin+strings.Index(text[begin:], `"`):]
			if text = strings.Replace(text, `,"passwordNormal":true`, "", 1); strings.Contains(text, "Normal") {
				return errors.New("the record is not an old one")
			}
			tx.Put(key, []byte(text))
			return nil
		})
		if !signsIn(t, d, chosen) {
			t.Errorf("%+q is refused", string(chosen))
		}
		if signsIn(t, d, chosen+"x") || signsIn(t, d, "Prufung-Ete-7") {
			t.Errorf("%+q: another is taken", string(chosen))
		}
		do(t, d, func(tx store.Tx) error { return d.UpdateUser(tx, user()) })
		if !signsIn(t, d, chosen) {
			t.Errorf("%+q is refused after an update", string(chosen))
		}
	}
}

// TestOneAttemptComputesOneHash counts the hashes of one attempt: one, and up to two against an old hash.
func TestOneAttemptComputesOneHash(t *testing.T) {
	for _, test := range []struct {
		hash   directory.PasswordHash
		normal bool
		pw     directory.PasswordText
		want   int
	}{
		{"x", true, composed, 1}, {"x", true, decomposed, 1}, {"x", false, composed, 1}, {"x", false, password, 1},
		{"x", false, decomposed, 2}, {"", false, decomposed, 1},
		{"x", false, directory.PasswordText(strings.Repeat("u\u0308", 10_000)), 1},
	} {
		if got := directory.Spellings(test.hash, test.normal, test.pw); got != test.want {
			t.Errorf("%v %.40q: %d hashes, want %d", test.normal, string(test.pw), got, test.want)
		}
	}
}
