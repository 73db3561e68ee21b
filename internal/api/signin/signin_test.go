package signin_test

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/signin"
)

func TestSignInsAreCountedByIdentityUpToABound(t *testing.T) {
	s, err := signin.New(prometheus.NewRegistry(), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]bool{}
	for i := range 5000 {
		labels[s.Label(strconv.Itoa(i))] = true
	}
	if len(labels) != 1001 || !labels["0"] || !labels["other"] || s.Label("0") != "0" || s.Label("4999") != "other" {
		t.Errorf("5000 identities have %d labels, want 1001", len(labels))
	}
}

// Everybody can send assertions that are refused: 20 a second have a line, and the next line says how many had none.
func TestRefusedExchangesHaveABoundedNumberOfLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	s, err := signin.New(prometheus.NewRegistry(), slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		s.Note(t.Context(), signin.SignIn{Outcome: signin.Refused, Open: true})
	}
	s.Note(t.Context(), signin.SignIn{Outcome: signin.Granted, Open: true, Identity: "a"})
	if lines := strings.Count(out.String(), "\n"); lines != 21 {
		t.Errorf("%d lines, want 21", lines)
	}
	now = now.Add(time.Second)
	s.Note(t.Context(), signin.SignIn{Outcome: signin.Refused, Open: true})
	if !strings.Contains(out.String(), "not_logged=480") {
		t.Errorf("the last line does not say how many had none: %s", out.String()[out.Len()-200:])
	}
}
