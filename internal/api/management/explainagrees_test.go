package management_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"midas/internal/api/management"
	"midas/internal/arm"
	"midas/internal/fleet"
)

// TestExplainAgreesWithRequests sends every operation of the table, at every level, as several callers, and asks for
// an explanation of each: it says denied if and only if the request is refused for a missing right or by a lock, and if it
// is a list that shows less to those who may read less, that it is not refused all the same.
func TestExplainAgreesWithRequests(t *testing.T) {
	s := newStackOf(t, func(h *management.Handler) {
		h.Namespaces = []string{"Contoso.Apps"}
		h.Fleet = fleet.New(fleet.Config{
			Store: h.Store, Log: h.Activity, Resources: h.Resources, Identities: h.Identities,
			Logger: slog.New(slog.DiscardHandler), Now: h.Now, NewID: h.NewID,
		})
	})
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	s.assign(t, "nobody", "Reader", "/subscriptions/"+sub+"/resourceGroups/rg")
	s.lock(t, "{sub}/resourceGroups/rg", "frozen", "ReadOnly")
	rows := 0
	for _, op := range s.management.Surface() {
		if op.Perform == "" || op.Own != nil {
			continue // open to everyone, or to the owner of the addressed object
		}
		for _, at := range []arm.Level{arm.AtTenant, arm.AtSubscription, arm.AtGroup, arm.AtResource} {
			if op.At&at == 0 {
				continue
			}
			rows += s.agrees(t, op, at)
		}
	}
	if rows < 300 {
		t.Errorf("only %d rows", rows)
	}
}

// agrees compares the answers to one operation with the explanations.
func (s *stack) agrees(t *testing.T, op management.Operation, at arm.Level) (rows int) {
	t.Helper()
	path := pathOf(op, at)
	parsed, err := arm.ParsePath(op.Method, strings.ReplaceAll(strings.Split(path, "?")[0], "{sub}", "/subscriptions/"+sub))
	must(t, err)
	scope := parsed.ID
	if scope.TypeKey() == arm.TypeProvider.Key() {
		scope = scope.Parent()
	}
	for _, caller := range []string{"owner", "contributor", "reader", "mioperator", "nobody"} {
		rows++
		x := s.explain(t, caller, strings.TrimSuffix(scope.String(), "/"), "", performed(op))
		answer := s.do(t, caller, op.Method, path, "")
		refused := answer.Code == http.StatusForbidden || answer.Code == http.StatusConflict && strings.Contains(answer.Body.String(), "ScopeLocked")
		less := op.Filtered && strings.Contains(strings.Join(x.Reasons, " "), "A list at this scope is not refused")
		if refused != (x.Verdict == "denied" && !less) {
			t.Errorf("%s %s as %s: %d %s, explained as %s %q", op.Method, path, caller, answer.Code, answer.Body, x.Verdict, x.Reasons)
		}
	}
	return rows
}

// A lock refuses although a role allows, so the verdict is denied. Who has no role learns nothing of locks.
func TestExplainNamesTheLock(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	s.lock(t, "{sub}/resourceGroups/rg", "keep", "CanNotDelete")
	const remove = "Microsoft.Resources/subscriptions/resourceGroups/delete"
	x := s.explain(t, "owner", "{sub}/resourceGroups/rg", "", remove)
	if x.Verdict != "denied" || x.Effect != "Allowed" || len(x.Locks) != 1 || x.Locks[0].Level != "CanNotDelete" || !strings.Contains(x.Reasons[0], "lock keep") || x.Suggestion.RoleName != "" {
		t.Errorf("%+v", x)
	}
	if x := s.explain(t, "owner", "{sub}/resourceGroups/rg", "", "Microsoft.Resources/subscriptions/resourceGroups/write"); x.Verdict != "allowed" || len(x.Locks) != 0 {
		t.Errorf("%+v", x)
	}
	if x := s.explain(t, "nobody", "{sub}/resourceGroups/rg", "", remove); x.Verdict != "denied" || len(x.Locks) != 0 {
		t.Errorf("a stranger sees %+v", x)
	}
	// A lock refuses no question, and no data action.
	s.lock(t, "{sub}", "frozen", "ReadOnly")
	s.explain(t, "reader", "{sub}/resourceGroups/rg", "", remove)
}
