package directory_test

import (
	"errors"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

func TestNewUserNamesAreASCII(t *testing.T) {
	d := newDirectory(t)
	create := func(id, name string) error {
		_, err := d.Store.Update(t.Context(), func(tx store.Tx) error {
			return d.CreateUser(tx, directory.User{ID: id, TenantID: tenant, UserPrincipalName: name, DisplayName: "x", Enabled: true}, "")
		})
		return err
	}
	for _, name := range []string{"\u212aim@test.midas", "kım@test.midas", "kim\u200b@test.midas", "kim@te\u017ft.midas", "kím@test.midas", "k i@test.midas", "ｋim@test.midas"} {
		if err := create("u", name); !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := create("u", "Kim.O'Neil_1#EXT#@test.midas"); err != nil {
		t.Fatal(err)
	}
	if err := create("v", "KIM.o'neil_1#ext#@TEST.midas"); !errors.Is(err, directory.ErrExists) {
		t.Errorf("another spelling: %v", err)
	}
	_, err := d.Store.Update(t.Context(), func(tx store.Tx) error {
		u, err := d.User(tx, tenant, "u")
		if err != nil {
			return err
		}
		u.UserPrincipalName = "\u212aim@test.midas"
		return d.UpdateUser(tx, u)
	})
	if !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("rename: %v", err)
	}
}
