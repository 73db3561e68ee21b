package rbac_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/rbac"
	abac "midas/internal/rbac/condition"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

// Sizes of the installation that BenchmarkDecide measures.
const (
	benchAssignments = 100_000
	benchPrincipals  = 10_000
	benchNesting     = 5 // groups, each in the next
	benchConditional = 10
	benchAutomation  = 4000 // assignments of one principal
)

// BenchmarkDecide measures decisions in an installation with 100,000 role assignments, of which every tenth has a
// condition. A caller is in groups that are nested five deep. It reports the median and the 99th percentile.
func BenchmarkDecide(b *testing.B) {
	w := newInstallation(b)
	for _, bc := range []struct {
		name   string
		access func(*rand.Rand) rbac.Access
	}{
		{"random callers and scopes", w.random},
		{"one caller", func(r *rand.Rand) rbac.Access { return w.access(7, r.IntN(16)) }},
		{"principal with thousands of assignments", w.automation},
	} {
		b.Run(bc.name, func(b *testing.B) { w.measure(b, bc.access) })
	}
}

// installation is a service with many assignments.
type installation struct {
	*rbac.Service
	callers []rbac.Caller
	scopes  []arm.ID
}

func newInstallation(b *testing.B) *installation {
	b.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	st := store.New(store.Cached(engine, 256<<20), store.Options{})
	b.Cleanup(func() { _ = st.Close() })
	ids := 0
	w := &installation{Service: rbac.New(rbac.Config{
		Store: st, Now: time.Now,
		Log:        &activity.Log{Store: st, Now: time.Now, NewID: func() string { ids++; return guid(ids) }},
		Principals: directory{},
		Scope:      func(store.Tx, string, arm.ID) error { return nil },
	})}
	for i := range benchPrincipals {
		c := as(guid(1_000_000 + i))
		for depth := range benchNesting {
			c.Groups = append(c.Groups, guid(2_000_000+i%100*benchNesting+depth))
		}
		w.callers = append(w.callers, c)
	}
	for i := range benchAssignments / 40 {
		w.scopes = append(w.scopes, id(b, fmt.Sprintf("/subscriptions/%s/resourceGroups/g%d/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app", guid(3_000_000+i%50), i)))
	}
	w.fill(b)
	return w
}

// fill writes the assignments, many in one transaction.
func (w *installation) fill(b *testing.B) {
	roles := []string{reader, contributor, miOperator, miContributor, accessAdmin}
	for from := 0; from < benchAssignments; from += 20 {
		_, err := w.Store.Update(b.Context(), func(tx store.Tx) error {
			for i := from; i < from+20; i++ {
				a := rbac.Assignment{Name: guid(4_000_000 + i), TenantID: tenant, DefinitionID: roles[i%len(roles)], PrincipalType: "User"}
				principal := w.callers[i%benchPrincipals]
				a.PrincipalID, a.Scope = principal.ObjectID, w.scopes[i*7%len(w.scopes)].GroupScope().String()
				switch {
				case i < benchAutomation:
					a.PrincipalID, a.Scope = alice, w.scopes[i%len(w.scopes)].String()
				case i%20 == 0:
					a.PrincipalID, a.Scope = principal.Groups[i/20%benchNesting], w.scopes[i%len(w.scopes)].SubscriptionScope().String()
				}
				if i%benchConditional == 3 {
					a.Condition = ptr("@Request[Contoso.App/things:a] StringEquals 'v' AND ActionMatches{'*/read'}")
				}
				if err := give(w.Service, tx, a); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// give writes an assignment unless the principal has the role at the scope already.
func give(s *rbac.Service, tx store.Tx, a rbac.Assignment) error {
	_, err := s.Give(tx, a, "bench")
	if err != nil && codeOf(err) == "409 RoleAssignmentExists" {
		return nil
	}
	return err
}

func (w *installation) random(r *rand.Rand) rbac.Access {
	return w.access(r.IntN(len(w.callers)), r.IntN(len(w.scopes)))
}

func (w *installation) automation(r *rand.Rand) rbac.Access {
	a := w.access(0, r.IntN(len(w.scopes)))
	a.Caller = as(alice)
	return a
}

func (w *installation) access(caller, scope int) rbac.Access {
	a := rbac.Access{Caller: w.callers[caller], Action: arm.Fold(uai + "read"), Scope: w.scopes[scope]}
	a.Attributes.Set(abac.Request, "Contoso.App/things:a", abac.Text("v"))
	return a
}

// measure decides accesses that it has drawn and decided before, so that they are in memory.
func (w *installation) measure(b *testing.B, draw func(*rand.Rand) rbac.Access) {
	accesses := make([]rbac.Access, 50_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range accesses {
		accesses[i] = draw(r)
		w.decide(b, &accesses[i])
	}
	times := make([]time.Duration, 0, 1<<20)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a := &accesses[i%len(accesses)]
		a.Scope, a.Action = id(b, a.Scope.String()), arm.Fold(uai+"read") // a request has just been parsed
		begin := time.Now()
		w.decide(b, a)
		if took := time.Since(begin); len(times) < cap(times) {
			times = append(times, took)
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds()), "p99-ns")
}

func (w *installation) decide(b *testing.B, a *rbac.Access) {
	err := w.Store.View(b.Context(), func(tx store.Tx) error {
		_, err := w.Decide(tx, *a)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
