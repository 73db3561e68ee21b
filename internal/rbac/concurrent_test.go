package rbac_test

import (
	"sync"
	"testing"
)

// TestDecisionsSeeEveryChangeAtOnce changes the assignments of a group while others decide for its members. The
// first decision after each change must see it.
func TestDecisionsSeeEveryChangeAtOnce(t *testing.T) {
	b := newBench(t)
	b.assign(t, bob, miOperator, sub)
	var wait sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wait.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := b.authorize(t.Context(), as(alice, team), uai+"write", id(t, app)); err != nil {
					t.Error(err)
				}
				if ok, err := b.authorize(t.Context(), as(bob, team), uai+"read", id(t, app)); err != nil || !ok {
					t.Error("a role that nobody changes is lost:", err)
				}
			}
		})
	}
	for i := range 60 {
		name := b.assign(t, team, []string{contributor, miContributor}[i%2], []string{sub, rg1, app, "/"}[i%4])
		if !b.may(t, as(alice, team), uai+"write", app) || !b.may(t, as(bob, team), uai+"write", app) {
			t.Fatal("a new assignment does not count")
		}
		if b.may(t, as(alice, team), uai+"write", app2[:len(app2)-1]+"x/federatedIdentityCredentials/f") != (i%4 != 2) {
			t.Fatal("the assignment counts at another scope")
		}
		if _, _, err := b.DeleteAssignment(t.Context(), event(), id(t, []string{sub, rg1, app, "/"}[i%4]), name); err != nil {
			t.Fatal(err)
		}
		if b.may(t, as(alice, team), uai+"write", app) || b.may(t, as(bob, team), uai+"write", app) {
			t.Fatal("a deleted assignment counts")
		}
	}
	close(done)
	wait.Wait()
}
