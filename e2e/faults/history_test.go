//go:build e2e && cluster

package faults

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// history has the operations of all clients of a trial, and figures of each phase.
type history struct {
	mu     sync.Mutex
	begin  time.Time
	number int
	groups map[string][]porcupine.Operation
	rights map[string][]porcupine.Operation
	phases []*phase
}

func newHistory() *history {
	return &history{begin: time.Now(), groups: map[string][]porcupine.Operation{}, rights: map[string][]porcupine.Operation{}}
}

// next returns the number of a new operation.
func (h *history) next() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.number++
	return h.number
}

// interval is the time of an operation.
type interval struct{ call, end time.Time }

// open is the end of an operation that may still have an effect.
func open() time.Time { return time.Unix(math.MaxInt32, 0) }

func (h *history) operation(client int, i interval, in, out any) porcupine.Operation {
	o := porcupine.Operation{ClientId: client, Input: in, Output: out, Call: int64(i.call.Sub(h.begin)), Return: math.MaxInt64}
	if !i.end.Equal(open()) {
		o.Return = int64(i.end.Sub(h.begin))
	}
	return o
}

func (h *history) addGroup(group string, client int, i interval, in groupInput, out groupOutput) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.groups[group] = append(h.groups[group], h.operation(client, i, in, out))
}

func (h *history) addRight(right string, client int, i interval, in rightInput, out rightOutput) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rights[right] = append(h.rights[right], h.operation(client, i, in, out))
}

// check looks for an order of the operations that explains what the clients have seen.
func (h *history) check(t testing.TB) {
	t.Helper()
	for name, operations := range h.groups {
		h.explained(t, name, groups(), operations)
	}
	for name, operations := range h.rights {
		var changes, uses []porcupine.Operation
		for _, o := range operations {
			if o.Input.(rightInput).method == "USE" {
				uses = append(uses, o)
			} else {
				changes = append(changes, o)
			}
		}
		// Two replicas may be behind by different times, so uses have no order among themselves.
		for _, use := range uses {
			if !h.explained(t, name, rights(), append(changes[:len(changes):len(changes)], use)) {
				break
			}
		}
	}
}

func (h *history) explained(t testing.TB, name string, model porcupine.Model, operations []porcupine.Operation) bool {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(model, operations, time.Minute) {
	case porcupine.Illegal:
		t.Errorf("%s: no order of the %d operations explains what the clients have seen", name, len(operations))
		explain(t, model, operations)
		return false
	case porcupine.Unknown:
		t.Errorf("%s: %d operations cannot be checked within a minute", name, len(operations))
		return false
	}
	return true
}

// explain logs the operations around the end of the longest explained part.
func explain(t testing.TB, model porcupine.Model, operations []porcupine.Operation) {
	t.Helper()
	_, info := porcupine.CheckOperationsVerbose(model, operations, time.Minute)
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, part := range partition {
			if len(part) > len(longest) {
				longest = part
			}
		}
	}
	var until int64
	for _, o := range longest {
		until = max(until, o.Call)
	}
	for _, o := range operations {
		if o.Return >= until-int64(time.Second) && o.Call <= until+int64(2*time.Second) {
			t.Logf("[%v, %v] %s", time.Duration(o.Call), time.Duration(o.Return), model.DescribeOperation(o.Input, o.Output))
		}
	}
}

// phase has the figures of the time from one fault to the next.
type phase struct {
	engine, fault string
	clock         bool // clocks differ, so that tokens may be refused
	hang          bool // a process is stopped, so that requests may hang
	hung          int  // requests, of those that may not
	writes        int
	unknown       int
	slowest       time.Duration // acknowledged write
	gap           time.Duration // longest time without an acknowledged write
	acknowledged  time.Time     // the last write
	cached, fresh requests      // of tokens at the agent
	direct        requests      // of tokens at the replicas, with one retry at another one
}

// requests are figures of token requests.
type requests struct {
	all, failed int
	slowest     time.Duration
}

func (r *requests) add(took time.Duration, ok bool) {
	r.all++
	r.slowest = max(r.slowest, took)
	if !ok {
		r.failed++
	}
}

// enter begins a phase.
func (h *history) enter(p *phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.acknowledged = time.Now()
	h.phases = append(h.phases, p)
}

// now runs fn on the present phase.
func (h *history) now(fn func(*phase)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn(h.phases[len(h.phases)-1])
}

// wrote counts a write.
func (h *history) wrote(i interval, a answer) {
	h.now(func(p *phase) {
		p.writes++
		switch {
		case a.unknown():
			p.unknown++
		case a.status >= 200 && a.status < 300:
			p.slowest = max(p.slowest, i.end.Sub(i.call))
			p.gap = max(p.gap, i.end.Sub(p.acknowledged))
			p.acknowledged = i.end
		}
	})
}
