package directory_test

import (
	"strings"
	"testing"

	"midas/internal/store"
)

// The store holds no passwords, and each guess against a stored hash costs one argon2id hash.
func TestPasswordsAreStoredAsArgon2id(t *testing.T) {
	d := withUser(t)
	hashes := 0
	err := d.Store.View(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if strings.Contains(string(rec.Value), string(password)) {
				t.Errorf("the password is in %s", rec.Key)
			}
			hashes += strings.Count(string(rec.Value), "$argon2id$v=19$m=19456,t=2,p=1$")
		}
		return nil
	})
	if err != nil || hashes != 1 {
		t.Errorf("%d hashes, %v", hashes, err)
	}
}
