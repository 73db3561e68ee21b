package action_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/arm"
	"midas/internal/rbac/action"
	"midas/internal/rbac/action/actiontest"
)

func TestPatternsMatchAsInAzure(t *testing.T) {
	const uai = "Microsoft.ManagedIdentity/userAssignedIdentities"
	for _, tc := range []struct {
		pattern, action string
		want            bool
	}{
		{"*", uai + "/read", true},
		{"*", "", true},
		{"*/read", uai + "/read", true},
		{"*/read", uai + "/READ", true},
		{"*/read", uai + "/write", false},
		{"*/read", uai + "/read/action", false},
		{"*/read", uai + "/overread", false},
		{uai + "/read", uai + "/read", true},
		{uai + "/read", strings.ToUpper(uai) + "/Read", true},
		{uai + "/read", uai + "/read/", false},
		{uai + "/read", uai + "/reads", false},

		// A star between two slashes matches zero or more whole segments.
		{uai + "/*/read", uai + "/read", true},
		{uai + "/*/read", uai + "/federatedIdentityCredentials/read", true},
		{uai + "/*/read", uai + "/a/b/read", true},
		{uai + "/*/read", uai + "X/read", false},
		{uai + "/*/read", uai + "/bread", false},
		{uai + "/*/read", uai + "/a/bread", false},
		{uai + "/*/read", uai + "read", false},
		{uai + "/*/read", uai, false},
		{uai + "/*/assign/action", uai + "/assign/action", true},
		{uai + "/*/assign/action", uai + "/app/assign/action", true},
		{uai + "/*/assign/action", uai + "/reassign/action", false},
		{uai + "/*/assign/action", uai + "/assign", false},
		{"A/*/*/b", "a/b", true},
		{"A/*/b/*/c", "a/b/c", true},
		{"A/*/b/*/c", "a/x/b/y/z/c", true},
		{"A/*/b/*/c", "a/c", false},
		{"A/*/b/b", "a/b", false},

		// Every other star matches zero or more characters.
		{"Microsoft.Support/*", "Microsoft.Support/supportTickets/write", true},
		{"Microsoft.Support/*", "Microsoft.Support", false},
		{"Microsoft.Support/*", "Microsoft.SupportX/read", false},
		{"Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true},
		{"Microsoft.Compute/virtualMachines/start*/action", "Microsoft.Compute/virtualMachines/startNow/action", true},
		{"Microsoft.Compute/virtualMachines/start*/action", "Microsoft.Compute/virtualMachines/start/action", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXcYb", false},
		{"aa*aa", "aaa", false},
		{"aa*aa", "aaaa", true},

		// No other character is special.
		{"a?c", "abc", false},
		{"a.c", "abc", false},
		{"", "", true},
		{"", "a", false},
	} {
		if got := match(tc.pattern, arm.Fold(tc.action)); got != tc.want {
			t.Errorf("%q matches %q: %t, want %t", tc.pattern, tc.action, got, tc.want)
		}
	}
}

func TestPatternsMatchLikeTheReference(t *testing.T) {
	patterns := rapid.StringOfN(rapid.SampledFrom([]rune("ab*/")), 0, 12, -1)
	actions := rapid.StringOfN(rapid.SampledFrom([]rune("ab/")), 0, 16, -1)
	rapid.Check(t, func(t *rapid.T) {
		pattern, action := patterns.Draw(t, "pattern"), actions.Draw(t, "action")
		if got, want := match(pattern, action), actiontest.Matches(pattern, action); got != want {
			t.Fatalf("%q matches %q: %t, want %t", pattern, action, got, want)
		}
	})
}

// TestActionsMadeFromAPatternMatchIt derives the action from the pattern, because random actions rarely match.
func TestActionsMadeFromAPatternMatchIt(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "*", "a*", "*b", "a*b"})
	run := rapid.StringOfN(rapid.SampledFrom([]rune("ab/")), 0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(segment, 1, 6).Draw(t, "segments")
		pattern := strings.Join(segments, "/")
		var action string
		for i, s := range segments {
			last := i == len(segments)-1
			if s == "*" && i > 0 && !last {
				if rapid.Bool().Draw(t, "some") {
					action += run.Draw(t, "run") + "/"
				}
				continue
			}
			for j, literal := range strings.Split(s, "*") {
				if j > 0 {
					action += run.Draw(t, "run")
				}
				action += literal
			}
			if !last {
				action += "/"
			}
		}
		if !actiontest.Matches(pattern, action) {
			t.Fatalf("the reference does not match %q with %q", pattern, action)
		}
		if !match(pattern, action) {
			t.Fatalf("%q does not match %q", pattern, action)
		}
	})
}

func FuzzPattern(f *testing.F) {
	f.Add("Microsoft.ManagedIdentity/userAssignedIdentities/*/read", "microsoft.managedidentity/userassignedidentities/read")
	f.Add("a*/*/*b", "a/b")
	f.Add("**//*", "//")
	f.Fuzz(func(t *testing.T, pattern, action string) {
		action = arm.Fold(strings.ToValidUTF8(action, ""))
		pattern = strings.ToValidUTF8(pattern, "")
		if len(pattern) > 100 {
			return
		}
		if got, want := match(pattern, action), actiontest.Matches(pattern, action); got != want {
			t.Fatalf("%q matches %q: %t, want %t", pattern, action, got, want)
		}
	})
}

func TestPatternsAreASCII(t *testing.T) {
	for _, p := range []string{"Microſoft.Compute/*", "*/r\u0435ad", "Microsoft.Compute/vİrtualMachines/read", "a//b", "", "a b/read", "a/\u212a*", "/read", "a/"} {
		if action.Check(p) == nil {
			t.Errorf("%q is accepted", p)
		}
	}
}

// match compiles a pattern and matches a folded action.
func match(pattern, folded string) bool {
	p := action.Compile(pattern)
	return p.Match(folded)
}
