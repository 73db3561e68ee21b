package grant_test

import (
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"midas/internal/grant"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// assertionReplicas are replicas on one store.
func assertionReplicas(t *testing.T, st store.Store, now func() time.Time) (all []*grant.Grants) {
	t.Helper()
	for range 3 {
		sealer, err := grant.NewSealer(seal.MasterKey{1})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &grant.Grants{Store: st, Sealer: sealer, Now: now, Shared: true})
	}
	return all
}

func TestAssertionIsUsedFromOneAddressAtAllReplicas(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	st := storetest.Memory(t)
	all := assertionReplicas(t, st, func() time.Time { return now })
	id, until := sha256.Sum256([]byte("a")), now.Add(10*time.Minute)
	for i, tt := range []struct {
		replica      int
		app, address string
		first        bool
	}{
		{0, "app", "10.0.0.1", true},
		{1, "app", "10.0.0.1", true}, // MSAL uses an assertion for several resources
		{1, "app", "10.0.0.2", false},
		{2, "APP", "10.0.0.2", false},
		{2, "other", "10.0.0.2", true}, // an id is unique for an issuer
	} {
		first, err := all[tt.replica].UseAssertion(t.Context(), grant.AssertionUse{App: tt.app, ID: id, Address: tt.address, Until: until})
		if err != nil || first != tt.first {
			t.Errorf("use %d: %t, %v", i, first, err)
		}
	}
	now = until
	if n, err := all[1].Sweep(t.Context()); err != nil || n != 2 {
		t.Errorf("%d records were removed (%v), want both", n, err)
	}
}

func TestOneOfManyAddressesUsesAnAssertionFirst(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	all := assertionReplicas(t, storetest.Memory(t), func() time.Time { return now })
	var (
		users sync.WaitGroup
		mu    sync.Mutex
		won   int
	)
	for i := range 12 {
		users.Go(func() {
			u := grant.AssertionUse{App: "app", Address: string(rune('a' + i)), Until: now.Add(time.Minute)}
			first, err := all[i%len(all)].UseAssertion(t.Context(), u)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if first {
				won++
			}
		})
	}
	users.Wait()
	if won != 1 {
		t.Errorf("%d addresses have used the assertion first", won)
	}
}

func TestSingleProcessWritesNoAssertions(t *testing.T) {
	all := assertionReplicas(t, storetest.Memory(t), time.Now)
	all[0].Shared, all[0].Store = false, nil
	if first, err := all[0].UseAssertion(t.Context(), grant.AssertionUse{App: "app"}); err != nil || !first {
		t.Error(first, err)
	}
}
