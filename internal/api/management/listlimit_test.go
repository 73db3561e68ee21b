package management_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
)

// turnAtAnswer keeps how many lists were being made when the answer began.
type turnAtAnswer struct {
	http.ResponseWriter
	budget *httpx.Budget
	making *int
}

func (w turnAtAnswer) WriteHeader(status int) {
	*w.making = w.budget.Making()
	w.ResponseWriter.WriteHeader(status)
}

// TestListsCountAgainstTheirLimit checks that each list counts against the limit on concurrent lists, and that
// other operations do not.
func TestListsCountAgainstTheirLimit(t *testing.T) {
	s := newStack(t)
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	must(t, err)
	budget, making := httpx.NewBudget(1<<30), 0
	face := httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		s.management.Serve(turnAtAnswer{w, budget, &making}, r, ev)
	})
	s.Handler = httpx.New(face, httpx.Options{Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now, NewID: uuid.NewString, Answers: budget})
	group := "/subscriptions/" + sub + "/resourceGroups/turns"
	identities := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
	s.want(t, 201, "owner", "PUT", group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", identities+"/app?api-version=2023-01-31", `{"location":"eastus"}`)
	for path, turns := range map[string]int{
		"/subscriptions?api-version=2022-12-01":                                             1,
		"/subscriptions/" + sub + "/resourceGroups?api-version=2021-04-01":                  1,
		group + "/resources?api-version=2021-04-01":                                         1,
		identities + "?api-version=2023-01-31":                                              1,
		identities + "/app/federatedIdentityCredentials?api-version=2023-01-31":             1,
		group + "/providers/Microsoft.Compute/virtualMachines?api-version=2024-07-01":       1,
		group + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01": 1,
		identities + "/app?api-version=2023-01-31":                                          0,
		group + "?api-version=2021-04-01":                                                   0,
	} {
		making = -1
		if s.want(t, 200, "owner", "GET", path, ""); making != turns {
			t.Errorf("%s: %d lists were being made, want %d", path, making, turns)
		}
	}
	making = -1
	if s.want(t, 200, "owner", "POST", identities+"/app/listAssociatedResources?api-version=2021-09-30-preview", ""); making != 1 {
		t.Errorf("listAssociatedResources: %d lists were being made", making)
	}
	if n := budget.Making(); n != 0 {
		t.Errorf("%d lists are being made for ever", n)
	}
}
