package signin_test

import (
	"bytes"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

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
	described := 0
	describe := func() []slog.Attr { described++; return []slog.Attr{slog.String("reason", "because")} }
	for range 500 {
		s.Note(t.Context(), signin.SignIn{Outcome: signin.Refused, Open: true, Describe: describe})
	}
	if described != 20 || strings.Count(out.String(), "reason=because") != 20 {
		t.Errorf("%d refusals were described, want 20: %s", described, out.String())
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

// A line has no characters of a caller that a terminal could obey, in either form of the log.
func TestLinesHaveNoControlCharacters(t *testing.T) {
	for _, form := range []func(io.Writer) slog.Handler{
		func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	} {
		var out bytes.Buffer
		s, err := signin.New(prometheus.NewRegistry(), slog.New(form(&out)), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		hostile := slog.String("subject", "a\n2026 msg=forged \x1b[2J\u009b31m\u202eb\u200b\u2066\ufeff")
		s.Note(t.Context(), signin.SignIn{Outcome: signin.Refused, Attrs: []slog.Attr{hostile}, Describe: func() []slog.Attr { return []slog.Attr{hostile} }})
		line, more, _ := strings.Cut(out.String(), "\n")
		if more != "" || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || !strings.Contains(line, "202e") {
			t.Errorf("%q", out.String())
		}
	}
}
