package agent_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"midas/internal/agent"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func TestEveryNewCauseIsLoggedOnce(t *testing.T) {
	s := newServer(t)
	s.faultyState = true
	log := &lines{}
	a, _ := start(t, s, func(c *agent.Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	run(t, a)
	s.change(func() { s.fault = 503 })
	eventually(t, func() bool { return log.count("503 Service Unavailable") == 1 })
	s.set(func() { s.fault = 502 })
	eventually(t, func() bool { return log.count("502 Bad Gateway") == 1 })
	s.set(func() { s.fault = 503 })
	s.set(func() { s.fault, s.revoked = 0, true })
	eventually(t, func() bool { return log.count("has to be enrolled again") == 1 })
	s.set(func() { s.revoked = false })
	eventually(t, func() bool { return log.count("the server is watched") == 1 })
	if log.count("503 Service Unavailable") != 1 || log.count("502 Bad Gateway") != 1 {
		t.Errorf("a cause was logged again:\n%s", log.text.String())
	}
	s.change(func() { s.fault = 503 })
	eventually(t, func() bool { return log.count("503 Service Unavailable") == 2 })
}
