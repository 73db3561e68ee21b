package graph_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
)

// turnAtAnswer records how many lists were being made when the response began.
type turnAtAnswer struct {
	http.ResponseWriter
	budget *httpx.Budget
	making *int
}

func (w turnAtAnswer) WriteHeader(status int) {
	*w.making = w.budget.Making()
	w.ResponseWriter.WriteHeader(status)
}

// The number of lists that are made at the same time is limited. Other requests do not wait for lists.
func TestConcurrentListsAreLimited(t *testing.T) {
	s := newStack(t)
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	must(t, err)
	budget, making := httpx.NewBudget(1<<30), 0
	handler := httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		s.graph.Serve(turnAtAnswer{w, budget, &making}, r, ev)
	})
	s.Handler = httpx.New(handler, httpx.Options{Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now, NewID: uuid.NewString, Answers: budget})
	for path, turns := range map[string]int{
		"users":                      1,
		"users?$orderby=displayName": 1,
		"applications":               1,
		"servicePrincipals":          1,
		"groups":                     1,
		"users/ga@" + domain:         0,
	} {
		making = -1
		if s.want(t, 200, "ga", "GET", path, ""); making != turns {
			t.Errorf("%s: %d lists were being made, want %d", path, making, turns)
		}
	}
	if n := budget.Making(); n != 0 {
		t.Errorf("%d lists are still counted as being made", n)
	}
}
