package decision_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/decision"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant     = "99999999-9999-4999-8999-999999999999"
	team       = "33333333-3333-4333-8333-333333333333"
	other      = "44444444-4444-4444-8444-444444444444"
	scope      = "/subscriptions/22222222-2222-4222-8222-222222222222"
	reader     = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	blobReader = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
	readBlob   = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
)

// world is a Decider with a user, who is in the group team.
type world struct {
	*decision.Decider
	store store.Store
	ids   int
}

func newWorld(t *testing.T) *world {
	w := &world{store: storetest.Memory(t)}
	d := &directory.Directory{Store: w.store, Now: time.Now}
	_, err := w.store.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(
			d.CreateUser(tx, directory.User{TenantID: tenant, ID: subjectID, UserPrincipalName: "u@example.com", DisplayName: "u", Enabled: true}, ""),
			d.CreateGroup(tx, directory.Group{TenantID: tenant, ID: team, DisplayName: "team"}),
			d.CreateGroup(tx, directory.Group{TenantID: tenant, ID: other, DisplayName: "other"}))
	})
	must(t, err)
	_, err = w.store.Update(t.Context(), func(tx store.Tx) error { return d.AddMember(tx, tenant, team, subjectID) })
	must(t, err)
	w.Decider = &decision.Decider{Directory: d, RBAC: rbac.New(rbac.Config{
		Store: w.store, Now: time.Now, Log: &activity.Log{Store: w.store, Now: time.Now, NewID: w.id}, Principals: d,
		Scope: func(store.Tx, string, arm.ID) error { return nil },
	})}
	return w
}

func (w *world) id() string {
	w.ids++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", w.ids)
}

func (w *world) assign(t *testing.T, principal, role, condition string) {
	t.Helper()
	a := rbac.Assignment{Name: w.id(), Scope: scope, TenantID: tenant, DefinitionID: role, PrincipalID: principal}
	if condition != "" {
		a.Condition, a.ConditionVersion = &condition, new("2.0")
	}
	_, err := w.RBAC.PutAssignment(t.Context(), activity.Event{TenantID: tenant}, a)
	must(t, err)
}

func (w *world) ask(t *testing.T, text string) (effects []string) {
	t.Helper()
	q, err := decision.Parse([]byte(text))
	must(t, err)
	must(t, w.store.View(t.Context(), func(tx store.Tx) error {
		decisions, err := w.Decide(tx, tenant, q)
		for _, d := range decisions {
			effects = append(effects, d.Effect.String())
		}
		return err
	}))
	return effects
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// question is one about the scope. attributes are further members of the resource.
func question(groups, attributes string, actions ...string) string {
	return `{"Subject":{"Attributes":{"ObjectId":"` + subjectID + `"` + groups + `}},"Resource":{"Id":"` + scope + `"` + attributes +
		`},"Actions":[` + strings.Join(actions, ",") + `]}`
}

// TestQuestionsReachConditions: conditions read the attributes of the action, of the resource and of the environment, and the
// suboperation.
func TestQuestionsReachConditions(t *testing.T) {
	w := newWorld(t)
	w.assign(t, subjectID, blobReader, `(!(ActionMatches{'`+readBlob+`'} AND SubOperationMatches{'Blob.List'}))
		OR (@Request[a:prefix] StringEquals 'p' AND @Resource[a:name] ForAnyOfAnyValues:StringEquals {'x', 'y'})`)
	action := func(more string) string { return `{"Id":"` + readBlob + `","IsDataAction":true` + more + `}` }
	const list = `,"SubOperation":"Blob.List"`
	for name, test := range map[string]struct {
		resource string
		actions  []string
		want     []string
	}{
		"another suboperation":         {"", []string{action("")}, []string{"Allowed"}},
		"no attributes":                {"", []string{action(list)}, []string{"NotAllowed"}},
		"attributes of one action":     {`,"Attributes":{"A:NAME":["z","x"]}`, []string{action(list + `,"Attributes":{"a:prefix":"p"}`), action(list), action(list + `,"Attributes":{"a:prefix":"q"}`)}, []string{"Allowed", "NotAllowed", "NotAllowed"}},
		"attributes of the wrong kind": {`,"Attributes":{"a:prefix":"p","a:name":"x"}`, []string{action(list)}, []string{"NotAllowed"}},
		"not a data action":            {"", []string{`{"Id":"` + readBlob + `"}`}, []string{"NotAllowed"}},
	} {
		if got := w.ask(t, question("", test.resource, test.actions...)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestGroupsOfAQuestion: only the groups that the question names or asks for count for role assignments, and all groups for deny
// assignments.
func TestGroupsOfAQuestion(t *testing.T) {
	w := newWorld(t)
	w.assign(t, team, reader, "")
	const one, two = `{"Id":"A.B/c/read"}`, `{"Id":"A.B/d/read"}`
	expanded := `,"_claim_names":{"groups":"src1"}`
	for groups, want := range map[string]string{
		"":                            "NotAllowed",
		expanded:                      "Allowed",
		`,"Groups":["` + team + `"]`:  "Allowed",
		`,"Groups":["` + other + `"]`: "NotAllowed",
		`,"_claim_names":{"x":"y"}`:   "NotAllowed",
	} {
		if got := w.ask(t, question(groups, "", one, two)); !slices.Equal(got, []string{want, want}) {
			t.Errorf("%s: %v", groups, got)
		}
	}
	w.assign(t, other, reader, "")
	at, err := arm.ParseID(scope)
	must(t, err)
	_, _, err = w.RBAC.PutDenyAssignment(t.Context(), activity.Event{TenantID: tenant}, at, rbac.DenyAssignment{
		Name: w.id(), Scope: scope, TenantID: tenant, DisplayName: "no", Effect: rbac.Enforced,
		Permissions: []rbac.DenyPermission{{Actions: []string{"A.B/c/read"}}}, Principals: []rbac.DenyPrincipal{{ID: team, Type: "Group"}},
	})
	must(t, err)
	if got := w.ask(t, question(`,"Groups":["`+other+`"]`, "", one, two)); !slices.Equal(got, []string{"Denied", "Allowed"}) {
		t.Errorf("with a deny assignment to a group that the question leaves out: %v", got)
	}
}
