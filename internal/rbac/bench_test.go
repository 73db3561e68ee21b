package rbac_test

import (
	"fmt"
	"testing"

	"midas/internal/rbac"
)

func BenchmarkAuthorize(b *testing.B) {
	for _, bc := range []struct {
		name   string
		roles  []string
		extra  int // assignments at other scopes
		groups int // each with one assignment at another scope
		action string
		want   bool
	}{
		{"one role", []string{miContributor}, 0, 0, uai + "read", true},
		{"three roles, the last allows", []string{secretsUser, miOperator, miContributor}, 0, 0, uai + "write", true},
		{"three roles, none allows", []string{secretsUser, miOperator, reader}, 0, 0, uai + "write", false},
		{"many assignments elsewhere", []string{miContributor}, 300, 0, uai + "read", true},
		{"ten groups", []string{miContributor}, 0, 10, uai + "read", true},
	} {
		b.Run(bc.name, func(b *testing.B) {
			bench := newBench(b)
			caller := as(alice)
			for i, role := range bc.roles {
				bench.assign(b, alice, role, []string{sub, rg1, app}[i])
			}
			for i := range bc.extra {
				bench.assign(b, alice, reader, fmt.Sprintf("%s/resourceGroups/g%03d", sub, i))
			}
			for i := range bc.groups {
				bench.assign(b, guid(1000+i), reader, sub2)
				caller.Groups = append(caller.Groups, guid(1000+i))
			}
			if bc.groups > 0 {
				caller.ObjectID, caller.Groups = caller.Groups[0], append(caller.Groups[1:], alice)
			}
			scope, ctx := id(b, app), b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if got, err := bench.authorize(ctx, caller, bc.action, scope); got != bc.want || err != nil {
					b.Fatal(got, err)
				}
			}
		})
	}
}

func BenchmarkAuthorizeManyResources(b *testing.B) {
	bench := newBench(b)
	bench.assign(b, alice, reader, sub)
	caller, ctx := as(alice), b.Context()
	scopes := make([]string, 1024)
	for i := range scopes {
		scopes[i] = fmt.Sprintf("%s%d", app, i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if ok, err := bench.authorize(ctx, caller, uai+"read", id(b, scopes[i%len(scopes)])); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	bench := newBench(b)
	n := 0
	for b.Loop() {
		n++
		a := rbac.Assignment{
			Name: guid(n), Scope: fmt.Sprintf("/subscriptions/00000000-0000-0000-0000-%012d/resourceGroups/g", n),
			DefinitionID: reader, PrincipalID: alice,
		}
		if _, err := bench.PutAssignment(b.Context(), event(), a); err != nil {
			b.Fatal(err)
		}
	}
}
