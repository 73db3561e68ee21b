package directory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/store"
)

// traces are the keys that contain an object id.
func traces(t testing.TB, d *directory.Directory, oid string) (keys []string) {
	t.Helper()
	_, err := view(t, d, func(tx store.Tx) (int, error) {
		keys = nil
		for rec, err := range tx.Scan(store.Range{Prefix: "d/"}) {
			if err != nil {
				return 0, err
			}
			if strings.Contains(rec.Key, oid) {
				keys = append(keys, rec.Key)
			}
		}
		return 0, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// Run unlinks deleted objects, including those of an earlier process.
func TestRunUnlinksDeletedObjects(t *testing.T) {
	d := withGroups(t, "a", "b", "owned")
	for i := range 120 { // more than one batch of Unlink and of Run
		id := fmt.Sprintf("%03d-principal", i)
		do(t, d, func(tx store.Tx) error {
			return errors.Join(
				d.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: id, AppID: id + "-app", TenantID: tenant, Type: directory.TypeManagedIdentity, Enabled: true}),
				d.AddMember(tx, tenant, "a", id), d.AddMember(tx, tenant, "b", id), d.AddOwner(tx, tenant, "owned", id),
				d.AssignDirectoryRole(tx, tenant, directory.DirectoryReaders, id))
		})
	}
	end := func(from, to int) {
		for i := from; i < to; i++ {
			do(t, d, func(tx store.Tx) error {
				return d.DeleteManagedIdentityPrincipal(tx, tenant, fmt.Sprintf("%03d-principal", i))
			})
		}
	}
	end(0, 60)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	eventually(t, "traces of an earlier process stay", func() bool { return len(traces(t, d, "000-principal")) == 0 })
	end(60, 120)
	eventually(t, "traces stay", func() bool { return len(traces(t, d, "-principal")) == 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Deleted members do not count against the limits, even before Run has unlinked them.
func TestDeletedMembersDoNotCountAgainstLimits(t *testing.T) {
	d := withGroups(t, "a", "b")
	for i := range directory.MaxGroups + 10 {
		id := fmt.Sprintf("%04d-gone", i)
		do(t, d, func(tx store.Tx) error {
			return errors.Join(
				d.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: id, AppID: id + "-app", TenantID: tenant, Type: directory.TypeManagedIdentity, Enabled: true}),
				d.AddMember(tx, tenant, "a", id))
		})
		do(t, d, func(tx store.Tx) error { return d.DeleteManagedIdentityPrincipal(tx, tenant, id) })
	}
	add(t, d, "a", "b")
	add(t, d, "b", userID)
	got, err := view(t, d, func(tx store.Tx) ([]string, error) { return d.TransitiveMembers(tx, tenant, "a") })
	if err != nil || len(got) != 2 {
		t.Errorf("%d members, %v", len(got), err)
	}
}
