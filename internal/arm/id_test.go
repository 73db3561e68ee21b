package arm_test

import (
	"net/http"
	"strings"
	"testing"

	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/google/go-cmp/cmp"

	"midas/internal/arm"
)

const (
	sub      = "/subscriptions/22222222-2222-2222-2222-222222222222"
	group    = sub + "/resourceGroups/Rg1"
	identity = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/App"
	fic      = identity + "/federatedIdentityCredentials/f1"
	role     = identity + "/providers/Microsoft.Authorization/roleAssignments/r1"
)

func TestParsePath(t *testing.T) {
	type want struct {
		Type   arm.Type
		Target arm.Target
		Verb   string
		ID     string
	}
	for path, w := range map[string]want{
		"GET /":                                       {"Microsoft.Resources/tenants", arm.Instance, "", "/"},
		"GET /tenants":                                {"Microsoft.Resources/tenants", arm.Collection, "", "/"},
		"GET /subscriptions":                          {"Microsoft.Resources/subscriptions", arm.Collection, "", "/"},
		"GET " + sub:                                  {"Microsoft.Resources/subscriptions", arm.Instance, "", sub},
		"GET " + sub + "/":                            {"Microsoft.Resources/subscriptions", arm.Instance, "", sub},
		"GET " + sub + "/locations":                   {"Microsoft.Resources/subscriptions/locations", arm.Collection, "", sub},
		"GET " + sub + "/resources":                   {"Microsoft.Resources/subscriptions/resources", arm.Collection, "", sub},
		"GET " + sub + "/operationresults/x":          {"Microsoft.Resources/subscriptions/operationresults", arm.Instance, "", sub + "/operationresults/x"},
		"GET " + sub + "/RESOURCEGROUPS":              {"Microsoft.Resources/resourceGroups", arm.Collection, "", sub},
		"PUT " + group:                                {"Microsoft.Resources/resourceGroups", arm.Instance, "", group},
		"GET " + group + "/resources":                 {"Microsoft.Resources/subscriptions/resourceGroups/resources", arm.Collection, "", group},
		"GET /providers":                              {"Microsoft.Resources/providers", arm.Collection, "", "/"},
		"GET /providers/A.B":                          {"Microsoft.Resources/providers", arm.Instance, "", "/providers/A.B"},
		"GET " + sub + "/providers":                   {"Microsoft.Resources/providers", arm.Collection, "", sub},
		"GET " + sub + "/providers/A.B":               {"Microsoft.Resources/providers", arm.Instance, "", sub + "/providers/A.B"},
		"POST " + sub + "/providers/A.B/do":           {"Microsoft.Resources/providers", arm.Action, "do", sub + "/providers/A.B"},
		"GET " + sub + "/providers/A.B/things":        {"A.B/things", arm.Collection, "", sub},
		"GET /providers/A.B/operations":               {"A.B/operations", arm.Collection, "", "/"},
		"GET " + identity:                             {"Microsoft.ManagedIdentity/userAssignedIdentities", arm.Instance, "", identity},
		"POST " + identity + "/verb":                  {"Microsoft.ManagedIdentity/userAssignedIdentities", arm.Action, "verb", identity},
		"GET " + strings.TrimSuffix(identity, "/App"): {"Microsoft.ManagedIdentity/userAssignedIdentities", arm.Collection, "", group},
		"GET " + fic:                                  {"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials", arm.Instance, "", fic},
		"GET " + strings.TrimSuffix(fic, "/f1"):       {"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials", arm.Collection, "", identity},
		"PUT " + role:                                 {"Microsoft.Authorization/roleAssignments", arm.Instance, "", role},
		"GET " + strings.TrimSuffix(role, "/r1"):      {"Microsoft.Authorization/roleAssignments", arm.Collection, "", identity},
		"PUT /providers/Microsoft.Authorization/roleAssignments/r1":  {"Microsoft.Authorization/roleAssignments", arm.Instance, "", "/providers/Microsoft.Authorization/roleAssignments/r1"},
		"GET " + sub + "/providers/M.I/eventtypes/management/values": {"M.I/eventtypes/values", arm.Collection, "", sub + "/providers/M.I/eventtypes/management"},
		"GET " + group + "/providers/M.C/a/%E5%90%8D":                {"M.C/a", arm.Instance, "", group + "/providers/M.C/a/名"},
	} {
		t.Run(path, func(t *testing.T) {
			method, p, _ := strings.Cut(path, " ")
			got, err := arm.ParsePath(method, p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w, want{got.Type, got.Target, got.Verb, got.ID.String()}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestInvalidPathsAreRejected(t *testing.T) {
	for name, path := range map[string]string{
		"empty segment":     "/subscriptions//x", // SkipEmptySegments has removed it before, if it is alone
		"encoded slash":     "/subscriptions/a%2fb",
		"dot segment":       "/subscriptions/../x",
		"encoded dots":      "/subscriptions/%2e%2e/x",
		"backslash":         `/subscriptions/a\b`,
		"bad escape":        "/subscriptions/%zz",
		"control character": "/subscriptions/%00",
		"not UTF-8":         "/subscriptions/%ff",
		"relative":          "subscriptions",
		"too long":          "/subscriptions/" + strings.Repeat("a/", 900),
		"space at the end":  "/subscriptions/a%20",
		"long name":         "/subscriptions/" + strings.Repeat("a", 261),
		"too deep":          "/subscriptions" + strings.Repeat("/a", 41),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := arm.ParsePath(http.MethodGet, path); err == nil {
				t.Errorf("accepted as %+v", got)
			}
		})
	}
}

func TestSpellingIsKeptAndKeysAreFolded(t *testing.T) {
	a, b := parse(t, identity), parse(t, strings.ToUpper(identity))
	if a.String() != identity {
		t.Errorf("spelling %q became %q", identity, a)
	}
	if a.Key() != b.Key() {
		t.Errorf("%q and %q differ", a.Key(), b.Key())
	}
}

func TestAncestorsEndAtTheRoot(t *testing.T) {
	var got []string
	for id := range parse(t, role).Ancestors() {
		got = append(got, id.String())
	}
	if diff := cmp.Diff([]string{role, identity, group, sub, "/"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Folding lengthens some characters and shortens others. Together they keep the length of the path and move the
// offsets inside of it.
func TestOffsetsOfKeysFollowTheFolding(t *testing.T) {
	const longer, shorter = "\u023a", "\u1e9e" // two bytes become three, and three become two
	group := parse(t, "/subscriptions/s/resourceGroups/"+longer)
	inside := parse(t, group.String()+"/providers/A.B/C/"+shorter+"/D/"+longer)
	if got, want := inside.GroupScope().Key(), group.Key(); got != want || !group.Contains(inside) {
		t.Errorf("the group's key is %q, and inside of it %q", want, got)
	}
	if got, want := inside.TypeKey(), inside.Type().Key(); got != want || inside.Parent().TypeKey() != "a.b/c" {
		t.Errorf("the type's key is %q, want %q", got, want)
	}
}

func TestContainsComparesWholeSegments(t *testing.T) {
	rg1, rg10 := parse(t, sub+"/resourceGroups/rg1"), parse(t, sub+"/resourceGroups/RG10")
	if rg1.Contains(rg10) || !rg1.Contains(rg1) || !rg1.Contains(parse(t, group+"/providers/A.B/c/d")) {
		t.Error("Contains is wrong at the end of a segment")
	}
}

func TestBaseIsTheScopeOfTheOutermostType(t *testing.T) {
	for id, want := range map[string]string{
		identity: group, fic: group, role: identity, group: group, sub: sub,
		"/providers/A.B/c/d": "/", fic + "/providers/A.B/c/d/e/f": fic,
	} {
		if got := parse(t, id).Base().String(); got != want {
			t.Errorf("base of %s is %s, want %s", id, got, want)
		}
	}
}

func TestChild(t *testing.T) {
	for _, c := range []struct {
		parent string
		typ    arm.Type
		want   string
	}{
		{group, "Microsoft.ManagedIdentity/userAssignedIdentities", identity},
		{identity, "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials", fic},
		{identity, "Microsoft.Authorization/roleAssignments", role},
		{"/", "A.B/c", "/providers/A.B/c/x"},
	} {
		name := c.want[strings.LastIndexByte(c.want, '/')+1:]
		got, err := parse(t, c.parent).Child(c.typ, name)
		if err != nil || got.String() != c.want {
			t.Errorf("child of %s: %s, %v, want %s", c.parent, got, err, c.want)
		}
	}
}

func FuzzParseIDAgreesWithAzureSDK(f *testing.F) {
	for _, seed := range []string{"/", sub, group, identity, fic, role, "/providers/A.B/c/d", sub + "/providers/A.B/c/d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := arm.ParseID(s)
		if err != nil {
			return
		}
		again, err := arm.ParseID(id.String())
		if err != nil || again.Key() != id.Key() {
			t.Fatalf("%q reads back as %q: %v", s, again, err)
		}
		if !id.Parent().Contains(id) {
			t.Fatalf("%q is not below its parent", s)
		}
		theirs, err := azarm.ParseResourceID(s)
		if err != nil || !(id.IsResource() || id.IsResourceGroup() || id.IsSubscription()) {
			return // the SDK supports fewer forms
		}
		if theirs.Name != id.Name() || theirs.SubscriptionID != id.Subscription() ||
			!arm.SameName(theirs.ResourceType.String(), string(id.Type())) ||
			theirs.ResourceGroupName != id.ResourceGroup() {
			t.Fatalf("%q: SDK reads %q %q %q %q, Midas %q %q %q %q", s,
				theirs.SubscriptionID, theirs.ResourceGroupName, theirs.ResourceType, theirs.Name,
				id.Subscription(), id.ResourceGroup(), id.Type(), id.Name())
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"/", "/subscriptions//", "//subscriptions/x//", "/subscriptions///x", identity, "/a/%2e%2e/b", "/providers/providers/providers/x/providers"} {
		f.Add("GET", seed)
		f.Add("POST", seed)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		skipped, err := arm.SkipEmptySegments(path)
		if strings.Contains(skipped, "//") || (err != nil) != strings.Contains(path, "///") {
			t.Fatalf("%q became %q: %v", path, skipped, err)
		}
		got, err := arm.ParsePath(method, path)
		if err != nil {
			return
		}
		if other, err := arm.ParsePath(method, skipped); err != nil || structure(other) != structure(got) {
			t.Fatalf("%q is %s, but %q is %s: %v", path, structure(got), skipped, structure(other), err)
		}
		if strings.ContainsAny(got.ID.Key(), "\x00\n%?") || got.Type == "" || got.Target == 0 {
			t.Fatalf("%s %q became %+v", method, path, got)
		}
	})
}

func BenchmarkParsePath(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := arm.ParsePath(http.MethodGet, identity); err != nil {
			b.Fatal(err)
		}
	}
}

func parse(t *testing.T, s string) arm.ID {
	t.Helper()
	id, err := arm.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
