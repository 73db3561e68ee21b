package rbac_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// TestBrokenRecordsGrantNothing writes records that no Midas writes, in place of those of an assignment of Owner.
func TestBrokenRecordsGrantNothing(t *testing.T) {
	prefix, suffix := "g/"+alice+"\x00", "\x00"+owner
	value := tenant + " " + guid(1)
	row := "s/" + arm.Fold(rg1) + "\x00" + guid(1)
	for name, records := range map[string]map[string]string{
		"no scope":                      {prefix + suffix: value},
		"no scope, with tenant":         {prefix + "\x00" + tenant + suffix: value},
		"half a subscription":           {prefix + "/subscriptions" + suffix: value},
		"scope with a slash at the end": {prefix + arm.Fold(rg1) + "/" + suffix: value},
		"scope in upper case":           {prefix + strings.ToUpper(rg1) + suffix: value},
		"root of no tenant":             {prefix + "/" + suffix: value},
		"root of another tenant":        {prefix + "/\x00" + foreign + suffix: value},
		"another tenant":                {prefix + arm.Fold(rg1) + suffix: foreign + " " + guid(1)},
		"no value":                      {prefix + arm.Fold(rg1) + suffix: ""},
		"part of a tenant":              {prefix + arm.Fold(rg1) + suffix: tenant[:8] + " " + guid(1)},
		"unknown role":                  {prefix + arm.Fold(rg1) + "\x00" + guid(2): value},
		"short role":                    {prefix + arm.Fold(rg1) + "\x00" + owner[:8]: value},
		"condition without its record":  {prefix + arm.Fold(rg1) + suffix: value + " conditional"},
		"condition in a broken record":  {prefix + arm.Fold(rg1) + suffix: value + " conditional", row: "{"},
		"condition that is absent":      {prefix + arm.Fold(rg1) + suffix: value + " conditional", row: `{"v":1}`},
		"condition that is no condition": {
			prefix + arm.Fold(rg1) + suffix: value + " conditional", row: `{"v":1,"condition":"true"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			_, err := b.Store.Update(t.Context(), func(tx store.Tx) error {
				for key, value := range records {
					tx.Put(key, []byte(value))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				for _, scope := range []string{"/", sub, rg1, app, outer} {
					if b.may(t, as(alice), uai+"read", scope) {
						t.Errorf("grants at %s", scope)
					}
				}
			}
		})
	}
}

// failing is a transaction whose scans fail.
type failing struct{ store.Tx }

var errDisk = errors.New("the disk fails")

func (failing) Get(string) (store.Record, error)            { return store.Record{}, errDisk }
func (failing) Records(store.Range) ([]store.Record, error) { return nil, errDisk }
func (failing) Scan(store.Range) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) { yield(store.Record{}, errDisk) }
}

func TestFailedReadIsAnErrorAndAllowsNothing(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, owner, sub)
	above := errors.New("the hierarchy fails")
	if _, err := b.authorize(context.Background(), as(alice), uai+"read", id(t, app)); err != nil {
		t.Fatal(err)
	}
	d, err := b.Decide(failing{}, rbac.Access{Caller: as(alice), Action: arm.Fold(uai + "read"), Scope: id(t, app)})
	if d.Effect != rbac.NotAllowed || !errors.Is(err, errDisk) {
		t.Errorf("Decide: %v, %v", d, err)
	}
	if visible, err := b.Visible(failing{}, as(alice), id(t, sub)); visible || !errors.Is(err, errDisk) {
		t.Errorf("Visible: %v, %v", visible, err)
	}
	if may, err := b.MayAssignRoles(failing{}, tenant, []string{alice}); may || !errors.Is(err, errDisk) {
		t.Errorf("MayAssignRoles: %v, %v", may, err)
	}

	b.Above = func(store.Tx, string, arm.ID) ([]arm.ID, error) { return nil, above }
	b.assign(t, bob, owner, outer)
	allowed, err := b.authorize(t.Context(), as(bob), uai+"read", id(t, app))
	if allowed || !errors.Is(err, above) {
		t.Errorf("with a hierarchy that fails: %v, %v", allowed, err)
	}
}
