package federation

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestIssuerTableHasABoundAndAnEnd(t *testing.T) {
	now := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	var table issuerTable
	reached := table.find("reached", now)
	reached.state.Store(&issuerState{keys: &keySet{}})
	for i := range 3 * maxIssuers {
		now = now.Add(time.Second)
		table.find(fmt.Sprint("stranger", i), now)
		if len(table.sources) > maxIssuers {
			t.Fatalf("%d issuers", len(table.sources))
		}
	}
	if table.get("reached") != reached {
		t.Error("issuers that were never reached have replaced one that was")
	}
	if table.get("stranger0") != nil || table.get(fmt.Sprint("stranger", 3*maxIssuers-1)) == nil {
		t.Error("the issuer that was used first is kept, or the one that was used last is not")
	}
	table.find("late", now.Add(idleIssuer+time.Hour))
	if len(table.sources) != 1 {
		t.Errorf("%d issuers after an idle day", len(table.sources))
	}
}

// New issuers that wait for their turn do not wait for ever, and do not take the places of those that were reached.
func TestFetchesOfNewIssuersHavePlacesOfTheirOwn(t *testing.T) {
	i, err := NewIssuers(IssuersConfig{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for range maxFetches {
		i.newcomers <- struct{}{}
	}
	stranger, reached := newIssuerSource("https://127.0.0.1:1"), newIssuerSource("https://127.0.0.1:1")
	reached.state.Store(&issuerState{keys: &keySet{}})
	ctx, cancel := context.WithCancel(t.Context())
	if got := i.fetchInTurn(ctx, reached); got.err == nil || errors.Is(got.err, errBusy) {
		t.Errorf("an issuer that was reached: %v", got.err)
	}
	cancel()
	if got := i.fetchInTurn(ctx, stranger); got.err == nil || !errors.Is(got.err, errBusy) {
		t.Errorf("a new issuer: %v", got.err)
	}
}
