package store_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"midas/internal/store"
)

func dump(t *testing.T, st store.Store) string {
	t.Helper()
	var out bytes.Buffer
	if err := store.Dump(context.Background(), st, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestStoreOfANewerMidasIsRefusedUnchanged(t *testing.T) {
	ctx := context.Background()
	for name, newer := range map[string]struct {
		format int
		kinds  map[string]int
		says   string
	}{
		"format":    {store.Format + 1, nil, "format 2"},
		"one kind":  {store.Format, map[string]int{"role assignment": 2}, `"role assignment"`},
		"two kinds": {store.Format, map[string]int{"user": 2, "resource": 7}, `version 7 of the record "resource"`},
	} {
		t.Run(name, func(t *testing.T) {
			st := memoryStore(t)
			if err := store.ClaimAs(ctx, st, "v9.8.7", newer.format, newer.kinds); err != nil {
				t.Fatal(err)
			}
			before := dump(t, st)
			err := store.Claim(ctx, st, "v1.0.0")
			if !errors.Is(err, store.ErrNewerVersion) || !strings.Contains(err.Error(), "v9.8.7") || !strings.Contains(err.Error(), newer.says) {
				t.Errorf("%v", err)
			}
			if after := dump(t, st); after != before {
				t.Errorf("the refused store was changed:\n%s\n%s", before, after)
			}
		})
	}
}

func TestClaimWritesOnlyNewerVersions(t *testing.T) {
	ctx := context.Background()
	st := memoryStore(t)
	for range 3 {
		if err := store.Claim(ctx, st, "v1.0.0"); err != nil {
			t.Fatal(err)
		}
	}
	if got := dump(t, st); !strings.Contains(got, `"revision":1,`) || !strings.Contains(got, "v1.0.0") {
		t.Errorf("a start with the same versions has written: %s", got)
	}
	if err := store.ClaimAs(ctx, st, "v2.0.0", store.Format, map[string]int{"user": 2}); err != nil {
		t.Fatal(err)
	}
	if err := store.Claim(ctx, st, "v1.0.0"); !errors.Is(err, store.ErrNewerVersion) {
		t.Error(err)
	}
}

// An older Midas accepts a store with kinds that only a newer Midas has, if the format is the same, and keeps
// them in the record.
func TestKindsOfANewerMidasStayRecorded(t *testing.T) {
	ctx := context.Background()
	st := memoryStore(t)
	if err := store.ClaimAs(ctx, st, "v2.0.0", store.Format, map[string]int{"deny assignment": 1}); err != nil {
		t.Fatal(err)
	}
	if err := store.Claim(ctx, st, "v1.0.0"); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, st); !strings.Contains(got, `"deny assignment":1`) {
		t.Errorf("the kinds of the newer Midas are not in the record: %s", got)
	}
}
