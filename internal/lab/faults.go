package lab

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
)

// maxRules bounds the rules in force.
const maxRules = 100

// Faults are the rules that change the answers of requests. The first rule that selects and chooses a request changes
// it. The zero value has no rules. It is safe for concurrent use and must not be copied.
type Faults struct {
	any atomic.Bool // there are rules

	mu     sync.Mutex
	rules  []*rule
	number int // of the last rule that the server has named
}

// Inject changes a request as the rules say. It implements httpx.Options.Inject.
func (f *Faults) Inject(r *http.Request, ev *httpx.Event) error {
	if !f.any.Load() {
		return nil
	}
	found, applies := f.choose(r, ev)
	if !applies {
		return nil
	}
	if !wait(r.Context(), time.Duration(found.Delay)) {
		return r.Context().Err()
	}
	if found.Reset {
		ev.Reset()
	}
	ev.Slow(time.Duration(found.SlowBody))
	if found.Body != nil {
		ev.Substitute([]byte(*found.Body))
	}
	return found.fault(ev)
}

// choose returns a copy of the rule that changes a request.
func (f *Faults) choose(r *http.Request, ev *httpx.Event) (rule, bool) {
	f.mu.Lock()
	rules := slices.Clone(f.rules)
	f.mu.Unlock()
	for _, one := range rules {
		if !one.Match.selects(r, ev) { // it may read a form, so it does not hold mu; Match does not change
			continue
		}
		f.mu.Lock()
		chosen, found := one.chooses(), *one
		f.mu.Unlock()
		if chosen {
			return found, true
		}
	}
	return rule{}, false
}

// wait reports whether d has passed before ctx has ended. It is time on the network, which does not follow the clock.
func wait(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// add adds a rule after the others. A rule with a name that exists replaces that rule, in its place.
func (f *Faults) add(r rule) (rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.rules, func(other *rule) bool { return other.Name == r.Name })
	if at < 0 && len(f.rules) >= maxRules {
		return r, arm.Errorf(http.StatusConflict, "TooManyFaults", "There are %d faults already. Delete some of them.", maxRules)
	}
	for r.Name == "" {
		f.number++
		name := fmt.Sprintf("fault%d", f.number)
		if !slices.ContainsFunc(f.rules, func(other *rule) bool { return other.Name == name }) {
			r.Name = name
		}
	}
	if at >= 0 {
		f.rules[at] = &r
	} else {
		f.rules = append(f.rules, &r)
	}
	f.any.Store(true)
	return r, nil
}

// remove removes the rule with a name, and reports whether there was one.
func (f *Faults) remove(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, func(r *rule) bool { return r.Name == name })
	f.any.Store(len(f.rules) > 0)
	return len(f.rules) < before
}

// Clear removes all rules and returns their number.
func (f *Faults) Clear() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.rules)
	f.rules, f.number = nil, 0
	f.any.Store(false)
	return n
}

// list returns copies of the rules, in their order.
func (f *Faults) list() []rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]rule, len(f.rules))
	for i, r := range f.rules {
		all[i] = *r
	}
	return all
}

// listBody is the body of GET /lab/v1/faults.
type listBody struct {
	Value   []rule   `json:"value"`
	Presets []string `json:"presets"`
}

func (h *Handler) listFaults(*request) (any, error) {
	return listBody{h.Faults.list(), presetNames()}, nil
}

func (h *Handler) postFault(req *request) (any, error) {
	var r rule
	if err := req.body(&r); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	added, err := h.Faults.add(r)
	if err != nil {
		return nil, err
	}
	h.announce(req, "fault added", "name", added.Name, "preset", added.Preset, "status", added.Status)
	return added, nil
}

func (h *Handler) deleteFaults(req *request) (any, error) {
	h.announce(req, "all faults deleted", "count", h.Faults.Clear())
	return nil, nil
}

func (h *Handler) deleteFault(req *request) (any, error) {
	if !h.Faults.remove(req.name) {
		return nil, arm.Errorf(http.StatusNotFound, "FaultNotFound", "There is no fault '%s'.", req.name)
	}
	h.announce(req, "fault deleted", "name", req.name)
	return nil, nil
}
