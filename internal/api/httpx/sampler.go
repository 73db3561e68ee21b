package httpx

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How many refusals of one class are logged in full in each period.
const (
	loggedRefusals = 20
	samplePeriod   = time.Second
	// summaries are written at most so often for a class, however long its refusals go on.
	summaryPeriod = 10 * time.Second
)

// class is the class by which refusals are counted. Its values come from code, so there are few.
type class struct {
	api    string
	status int
}

// sampler limits the log lines about refusals, because anybody can cause thousands of them. The first
// refusals of each class and second are logged; the others are counted, and the count is logged.
type sampler struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	classes map[class]*sampled
}

// sampled counts the refusals of one class.
type sampled struct {
	begun   time.Time // of the period
	logged  int       // in this period
	dropped int       // since the last summary
	waiting bool      // a summary is on its way
}

// allow reports whether the line of a refusal is to be written.
func (s *sampler) allow(ev *Event) bool {
	of := class{ev.API, ev.Status}
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.classes == nil {
		s.classes = map[class]*sampled{}
	}
	c := s.classes[of]
	if c == nil {
		c = &sampled{}
		s.classes[of] = c
	}
	if age := now.Sub(c.begun); age >= samplePeriod || age < 0 {
		c.begun, c.logged = now, 0
	}
	if c.logged < loggedRefusals {
		c.logged++
		return true
	}
	c.dropped++
	if !c.waiting {
		c.waiting = true
		time.AfterFunc(summaryPeriod, func() { s.summarize(of) })
	}
	return false
}

// summarize logs how many lines of a class were not written.
func (s *sampler) summarize(of class) {
	s.mu.Lock()
	c := s.classes[of]
	dropped := c.dropped
	c.dropped, c.waiting = 0, false
	s.mu.Unlock()
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "requests refused, not logged one by one",
		slog.Int("requests", dropped), slog.String("api", of.api), slog.Int("status", of.status), slog.Duration("within", summaryPeriod))
}
