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

func TestStoreOfANewerMidasIsRefusedAndLeftAlone(t *testing.T) {
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
				t.Errorf("written anyway:\n%s\n%s", before, after)
			}
		})
	}
}

func TestClaimWritesOnceAndRaises(t *testing.T) {
	ctx := context.Background()
	st := memoryStore(t)
	for range 3 {
		if err := store.Claim(ctx, st, "v1.0.0"); err != nil {
			t.Fatal(err)
		}
	}
	if got := dump(t, st); !strings.Contains(got, `"revision":1,`) || !strings.Contains(got, "v1.0.0") {
		t.Errorf("a start writes when there is nothing to say: %s", got)
	}
	if err := store.ClaimAs(ctx, st, "v2.0.0", store.Format, map[string]int{"user": 2}); err != nil {
		t.Fatal(err)
	}
	if err := store.Claim(ctx, st, "v1.0.0"); !errors.Is(err, store.ErrNewerVersion) {
		t.Error(err)
	}
}

// TestKindsOfANewerMidasStayNoted: what only a newer Midas knows does not keep an older one away as long
// as the format is the same, and is not forgotten by it.
func TestKindsOfANewerMidasStayNoted(t *testing.T) {
	ctx := context.Background()
	st := memoryStore(t)
	if err := store.ClaimAs(ctx, st, "v2.0.0", store.Format, map[string]int{"deny assignment": 1}); err != nil {
		t.Fatal(err)
	}
	if err := store.Claim(ctx, st, "v1.0.0"); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, st); !strings.Contains(got, `"deny assignment":1`) {
		t.Errorf("forgotten: %s", got)
	}
}
