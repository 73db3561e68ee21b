package grant_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"midas/internal/grant"
	"midas/internal/store"
)

// begin begins a family with an overlap of ten seconds, and returns its first refresh token a minute later.
func (f *fixture) begin(t testing.TB) string {
	t.Helper()
	f.Overlap = 10 * time.Second
	token, err := f.Begin(t.Context(), granted())
	if err != nil {
		t.Fatal(err)
	}
	f.advance(time.Minute)
	return token
}

// exchangeAll exchanges one refresh token n times at the same moment.
func (f *fixture) exchangeAll(t testing.TB, token string, n int) []string {
	t.Helper()
	successors := make([]string, n)
	var wg sync.WaitGroup
	for i := range successors {
		wg.Go(func() {
			var err error
			if successors[i], err = f.rotate(t, token); err != nil {
				t.Errorf("exchange %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return successors
}

func TestEachSuccessorOfAnOverlapStaysValid(t *testing.T) {
	f := newFixture(t)
	successors := f.exchangeAll(t, f.begin(t), 6)
	for range 3 { // each holder uses its own chain, long after the overlap
		for i, token := range successors {
			f.advance(time.Hour)
			next, err := f.rotate(t, token)
			if err != nil {
				t.Fatalf("successor %d: %v", i, err)
			}
			successors[i] = next
		}
	}
}

func TestSuccessorsOfRequestsInProgressStayValid(t *testing.T) {
	f := newFixture(t)
	first := f.begin(t)
	f.Overlap = 0
	began := f.time()
	r, err := f.OpenRefresh(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	var successors []string
	for range 2 {
		f.advance(5 * time.Millisecond)
		next, err := f.Rotate(t.Context(), r, began)
		if err != nil {
			t.Fatal(err)
		}
		successors = append(successors, next)
	}
	for _, token := range successors {
		f.advance(time.Hour)
		f.mustRotate(t, token)
	}
}

func TestReuseAfterTheOverlapEndsEveryBranch(t *testing.T) {
	for name, reused := range map[string]func(first string, successors []string) string{
		"the shared token": func(first string, _ []string) string { return first },
		"a successor":      func(_ string, successors []string) string { return successors[1] },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			first := f.begin(t)
			successors := f.exchangeAll(t, first, 3)
			next := f.mustRotate(t, successors[1])
			f.advance(f.Overlap)
			if _, err := f.rotate(t, reused(first, successors)); !errors.Is(err, grant.ErrReused) {
				t.Errorf("reuse: %v, want ErrReused", err)
			}
			for i, token := range []string{first, successors[0], successors[1], successors[2], next} {
				if _, err := f.rotate(t, token); !errors.Is(err, grant.ErrInvalid) {
					t.Errorf("token %d after the end of the family: %v, want ErrInvalid", i, err)
				}
			}
		})
	}
}

// TestOverlapIsNotProlonged uses a token again and again. Each use is within the overlap of the one before.
func TestOverlapIsNotProlonged(t *testing.T) {
	f := newFixture(t)
	first := f.begin(t)
	f.exchangeAll(t, first, 1)
	f.advance(6 * time.Second)
	f.exchangeAll(t, first, 1)
	f.advance(6 * time.Second)
	if _, err := f.rotate(t, first); !errors.Is(err, grant.ErrReused) {
		t.Errorf("12 s after the first exchange: %v, want ErrReused", err)
	}
}

func TestSuccessorsOfOneTokenAreBounded(t *testing.T) {
	f := newFixture(t)
	first := f.begin(t)
	var successors []string
	for range grant.MaxSuccessors {
		successors = append(successors, f.exchangeAll(t, first, 1)...)
	}
	if _, err := f.rotate(t, first); !errors.Is(err, grant.ErrTooMany) {
		t.Errorf("one more: %v, want ErrTooMany", err)
	}
	f.advance(time.Hour)
	for i, token := range successors {
		if _, err := f.rotate(t, token); err != nil {
			t.Fatalf("successor %d after the refusal: %v", i, err)
		}
	}
}

// TestFamilyRecordIsBounded makes as many branches as it can. A holder whose token was displaced by them ends
// the family, so a thief cannot displace the owner unnoticed.
func TestFamilyRecordIsBounded(t *testing.T) {
	f := newFixture(t)
	both := f.exchangeAll(t, f.begin(t), 2)
	owner, thief := both[0], both[1]
	for range 5 {
		f.advance(time.Second)
		all := f.exchangeAll(t, thief, 1)
		for range grant.MaxSuccessors - 1 {
			all = append(all, f.exchangeAll(t, thief, 1)...)
		}
		thief = all[len(all)-1]
	}
	for range 200 {
		f.advance(time.Millisecond)
		thief = f.mustRotate(t, thief)
	}
	if size := f.largest(t, "d/"+tenant+"/rt/"); size > 8<<10 {
		t.Errorf("the record of the family has %d bytes", size)
	}
	if _, err := f.rotate(t, owner); !errors.Is(err, grant.ErrReused) {
		t.Errorf("the displaced token: %v, want ErrReused", err)
	}
	if _, err := f.rotate(t, thief); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("the other branch afterwards: %v, want ErrInvalid", err)
	}
}

// largest returns the size of the largest record below a prefix.
func (f *fixture) largest(t testing.TB, prefix string) (size int) {
	t.Helper()
	if err := f.Store.View(t.Context(), func(tx store.Tx) error {
		for record, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if err != nil {
				return err
			}
			size = max(size, len(record.Value))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return size
}

// TestUnusedBranchExpires has two branches. The use of one does not prolong the other.
func TestUnusedBranchExpires(t *testing.T) {
	f := newFixture(t)
	both := f.exchangeAll(t, f.begin(t), 2)
	for range 3 {
		f.advance(grant.RefreshLifetime / 3)
		both[0] = f.mustRotate(t, both[0])
	}
	if _, err := f.rotate(t, both[1]); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("the unused branch: %v, want ErrExpired", err)
	}
	f.mustRotate(t, both[0])
}

// TestOverlapIsKnownToOtherProcesses exchanges one token at two servers of one store. The second also stands
// for the first after a restart.
func TestOverlapIsKnownToOtherProcesses(t *testing.T) {
	f := newFixture(t)
	first := f.begin(t)
	other := &grant.Grants{Store: f.Store, Sealer: f.Sealer, Now: f.time, NewID: f.NewID, Overlap: f.Overlap}
	exchange := func(g *grant.Grants, token string) (string, error) {
		r, err := g.OpenRefresh(t.Context(), token)
		if err != nil {
			return "", err
		}
		return g.Rotate(t.Context(), r, f.time())
	}
	var successors []string
	for _, g := range []*grant.Grants{f.Grants, other, f.Grants, other} {
		next, err := exchange(g, first)
		if err != nil {
			t.Fatal(err)
		}
		successors = append(successors, next)
	}
	f.advance(time.Hour)
	for i, token := range slices.Backward(successors) {
		if _, err := exchange(other, token); err != nil {
			t.Errorf("successor %d: %v", i, err)
		}
	}
	if _, err := exchange(other, first); !errors.Is(err, grant.ErrReused) {
		t.Errorf("reuse at the other server: %v, want ErrReused", err)
	}
}

// TestFamiliesOfVersion1GoOn reads a family as it was stored before successors were counted.
func TestFamiliesOfVersion1GoOn(t *testing.T) {
	for name, use := range map[string]struct {
		generation int
		want       error
	}{"the newest token": {3, nil}, "the one before": {2, grant.ErrReused}, "an older one": {1, grant.ErrReused}, "a newer one, after a restore": {9, nil}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			const family = "00000000-0000-4000-8000-00000000f001"
			record := `{"v":1,"tenantId":"` + tenant + `","userId":"` + user + `","clientId":"` + client + `","authenticated":"2026-03-14T09:26:53Z",` +
				`"generation":3,"created":"2026-03-14T09:26:53Z","rotated":"2026-03-14T09:26:53Z","expires":"2026-06-14T09:26:53Z"}`
			if _, err := f.Store.Update(t.Context(), func(tx store.Tx) error {
				tx.Put("d/"+tenant+"/rt/"+family, []byte(record))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			token, err := f.Sealer.Seal("refresh", map[string]any{"t": tenant, "f": family, "g": use.generation})
			if err != nil {
				t.Fatal(err)
			}
			f.advance(time.Hour)
			next, err := f.rotate(t, token)
			if !errors.Is(err, use.want) {
				t.Fatalf("%v, want %v", err, use.want)
			}
			if err == nil {
				f.mustRotate(t, next)
			}
		})
	}
}
