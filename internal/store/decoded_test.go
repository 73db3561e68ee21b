package store_test

import (
	"errors"
	"fmt"
	"testing"

	"midas/internal/store"
)

func TestDecodedValuesBelongToOneRevision(t *testing.T) {
	d := store.NewDecoded[string](8)
	calls := 0
	decode := func(rec store.Record) (string, error) {
		calls++
		return string(rec.Value), nil
	}
	for _, step := range []struct {
		value    string
		revision store.Revision
		calls    int
	}{
		{"a", 1, 1}, {"a", 1, 1}, {"b", 2, 2}, {"b", 2, 2},
		{"own write", 0, 3}, {"another", 0, 4}, {"b", 2, 4}, {"a", 1, 5},
	} {
		got, err := d.Of(store.Record{Key: "k", Value: []byte(step.value), Revision: step.revision}, decode)
		if err != nil || got != step.value || calls != step.calls {
			t.Fatalf("%+v: got %q after %d calls, %v", step, got, calls, err)
		}
	}
}

func TestDecodedKeepsUsedValuesWithinItsLimit(t *testing.T) {
	d := store.NewDecoded[int](10)
	calls := map[string]int{}
	of := func(key string) {
		_, err := d.Of(store.Record{Key: key, Revision: 1}, func(rec store.Record) (int, error) {
			calls[rec.Key]++
			return 0, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		of("often")
		of(fmt.Sprint("once", i))
	}
	if calls["often"] != 1 {
		t.Errorf("a value that is used all the time was decoded %d times", calls["often"])
	}
	for i := range 1000 {
		of(fmt.Sprint("once", i))
	}
	again := 0
	for key, n := range calls {
		if key != "often" && n == 2 {
			again++
		}
	}
	if again < 990 {
		t.Errorf("only %d of 1000 values were evicted", again)
	}
}

func TestDecodedDoesNotCacheErrors(t *testing.T) {
	d := store.NewDecoded[int](8)
	bad := errors.New("bad")
	for _, want := range []error{bad, nil} {
		_, err := d.Of(store.Record{Key: "k", Revision: 1}, func(store.Record) (int, error) { return 0, want })
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
}
