package management_test

import (
	"log/slog"
	"net/http"
	"testing"

	"midas/internal/api/management"
	"midas/internal/arm"
	"midas/internal/fleet"
)

// TestEveryOperationNeedsItsRight sends every operation of the table, at every level, as a caller without a role, and
// those that are no reads as a Reader. All that name an action are refused.
func TestEveryOperationNeedsItsRight(t *testing.T) {
	s := newStackOf(t, func(h *management.Handler) {
		h.Namespaces = []string{"Contoso.Apps"}
		h.Fleet = fleet.New(fleet.Config{
			Store: h.Store, Log: h.Activity, Resources: h.Resources, Identities: h.Identities,
			Logger: slog.New(slog.DiscardHandler), Now: h.Now, NewID: h.NewID,
		})
	})
	s.want(t, 201, "owner", "PUT", lockedGroup+core, `{"location":"eastus"}`)
	refused := 0
	for _, op := range s.management.Surface() {
		for _, at := range []arm.Level{arm.AtSubscription, arm.AtGroup, arm.AtResource} {
			if op.At&at == 0 || op.Perform == "" {
				continue
			}
			callers := []string{"nobody"}
			question := op.Type == "Microsoft.Authorization/checkAccess" // who may read the role assignments may ask
			if op.Method != http.MethodGet && op.Method != http.MethodHead && !question {
				callers = append(callers, "reader")
			}
			for _, caller := range callers {
				refused++
				if w := s.do(t, caller, op.Method, pathOf(op, at), ""); w.Code != http.StatusForbidden {
					t.Errorf("%s %s as %s: %d %s", op.Method, pathOf(op, at), caller, w.Code, w.Body)
				}
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d requests were sent", refused)
	}
}
