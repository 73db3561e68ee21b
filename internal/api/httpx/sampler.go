package httpx

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	loggedRefusals = 20               // refusals of one class that are logged one by one in each samplePeriod
	samplePeriod   = time.Second      // the period of loggedRefusals
	summaryPeriod  = 10 * time.Second // the time between two summaries of one class
)

// class is a class of refusals. Its values come from code, so there are few classes.
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
	begun   time.Time // when the period began
	logged  int       // lines in this period
	dropped int       // refusals without a line since the last summary
	waiting bool      // a summary is scheduled
}

// allow reports whether the line of a refusal should be written. If not, it counts the refusal for the summary.
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

// summarize logs the number of refusals of a class whose lines were not written.
func (s *sampler) summarize(of class) {
	s.mu.Lock()
	c := s.classes[of]
	dropped := c.dropped
	c.dropped, c.waiting = 0, false
	s.mu.Unlock()
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "requests refused, not logged one by one",
		slog.Int("requests", dropped), slog.String("api", of.api), slog.Int("status", of.status), slog.Duration("within", summaryPeriod))
}
