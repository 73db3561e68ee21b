package lab

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/store"
)

// longestDelay bounds the delays of propagation. Azure's documentation names ten minutes for role assignments.
const longestDelay = 24 * time.Hour

// delays are in force, as PUT /lab/v1/delays sets them.
type delays struct {
	// RoleAssignments is how long a role assignment that is created from now on has no effect.
	RoleAssignments duration `json:"roleAssignments"`

	// Principals is how long role assignments do not find a principal that is created from now on.
	Principals duration `json:"principals"`

	// FederatedCredentialConflicts refuses concurrent writes to the federated credentials of one identity with 409.
	FederatedCredentialConflicts bool `json:"federatedCredentialConflicts"`

	// Throttle are the requests to Azure Resource Manager that are left; nil: they are not counted.
	Throttle *throttle `json:"throttle,omitempty"`

	since time.Time // since when the delays are in force
}

// throttle counts the requests to Azure Resource Manager down. A kind without a number is not counted.
type throttle struct {
	Reads   *int     `json:"reads,omitempty"`
	Writes  *int     `json:"writes,omitempty"`
	Deletes *int     `json:"deletes,omitempty"`
	Per     duration `json:"per,omitempty"` // after which the numbers are those of the request again; an hour by default
}

// Delays are what Azure does later than Midas, or refuses where Midas does not. The zero value has none. It is safe for
// concurrent use and must not be copied.
type Delays struct {
	Now func() time.Time

	current atomic.Pointer[delays]

	mu   sync.Mutex
	left map[string]int // by kind of request
	ends time.Time      // when left begins anew; zero before the first request
}

// Refuse409 refuses concurrent writes to federated credentials, as a setting of the server asks for.
func (d *Delays) Refuse409() { d.set(delays{FederatedCredentialConflicts: true}) }

// Conflicts reports whether concurrent writes to the federated credentials of one identity are refused.
func (d *Delays) Conflicts() bool {
	now := d.current.Load()
	return now != nil && now.FederatedCredentialConflicts
}

// Effective returns the function that reports whether an assignment that was created at a time has an effect yet; nil if
// all have.
func (d *Delays) Effective() func(created time.Time) bool {
	now := d.current.Load()
	if now == nil || now.RoleAssignments == 0 {
		return nil
	}
	at := d.Now()
	return func(created time.Time) bool { return now.over(created, now.RoleAssignments, at) }
}

// over reports whether the delay of what was created at a time is over. What is older than the delay itself has none.
func (d *delays) over(created time.Time, delay duration, now time.Time) bool {
	return created.Before(d.since) || !now.Before(created.Add(time.Duration(delay)))
}

// Principals are the principals of a directory, of which role assignments do not find new ones.
type Principals struct {
	Delays *Delays

	// PrincipalType and Created look a principal up. Their error is store.ErrNotFound if there is none.
	Type    func(ctx context.Context, tenant, id string) (string, error)
	Created func(ctx context.Context, tenant, id string) (time.Time, error)
}

// PrincipalType implements rbac.PrincipalSource.
func (p *Principals) PrincipalType(ctx context.Context, tenant, id string) (string, error) {
	kind, err := p.Type(ctx, tenant, id)
	now := p.Delays.current.Load()
	if err != nil || now == nil || now.Principals == 0 {
		return kind, err
	}
	created, err := p.Created(ctx, tenant, id)
	if err == nil && !now.over(created, now.Principals, p.Delays.Now()) {
		return "", fmt.Errorf("principal %s is not propagated yet: %w", id, store.ErrNotFound)
	}
	return kind, err
}

// Clear ends all delays.
func (d *Delays) Clear() { d.set(delays{}) }

// set puts delays in force.
func (d *Delays) set(to delays) {
	to.since = d.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.ends = nil, time.Time{}
	if to.active() {
		d.current.Store(&to)
		return
	}
	d.current.Store(nil)
}

func (d *delays) active() bool {
	return d.RoleAssignments > 0 || d.Principals > 0 || d.FederatedCredentialConflicts || d.Throttle != nil
}

// Count counts a request to Azure Resource Manager. It sets the header with the number of requests that are left, and
// returns a 429 if there are none. Source: "Understand how Azure Resource Manager throttles requests".
func (d *Delays) Count(r *http.Request, ev *httpx.Event) error {
	now := d.current.Load()
	if now == nil || now.Throttle == nil || ev.API != "management" {
		return nil
	}
	kind, most := now.Throttle.of(r.Method)
	if most == nil {
		return nil
	}
	left, retry := d.take(kind, *most, time.Duration(now.Throttle.Per))
	ev.SetHeader("X-Ms-Ratelimit-Remaining-Subscription-"+kind, strconv.Itoa(max(left, 0)))
	if left >= 0 {
		return nil
	}
	code, message := defaults("management", http.StatusTooManyRequests)
	return &httpx.Fault{Status: http.StatusTooManyRequests, Code: code, Message: message, RetryAfter: retry}
}

// of returns the kind of a request, and how many of it there are in each period; nil: they are not counted.
func (t *throttle) of(method string) (kind string, most *int) {
	switch method {
	case http.MethodGet, http.MethodHead:
		return "Reads", t.Reads
	case http.MethodDelete:
		return "Deletes", t.Deletes
	}
	return "Writes", t.Writes
}

// take takes one of the requests that are left, and returns how many are left then: -1 if there was none. retry is the
// time until there are some again.
func (d *Delays) take(kind string, most int, per time.Duration) (left int, retry time.Duration) {
	now := d.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ends.IsZero() || !now.Before(d.ends) {
		d.left, d.ends = map[string]int{}, now.Add(per)
	}
	left, counted := d.left[kind]
	if !counted {
		left = most
	}
	left--
	d.left[kind] = max(left, 0)
	return left, max(d.ends.Sub(now), time.Second)
}

// status returns the delays in force.
func (d *Delays) status() delays {
	if now := d.current.Load(); now != nil {
		return *now
	}
	return delays{}
}

func (d *delays) check() error {
	if time.Duration(d.RoleAssignments) > longestDelay || time.Duration(d.Principals) > longestDelay {
		return invalid("roleAssignments", "and principals must be at most %s", longestDelay)
	}
	if d.Throttle == nil {
		return nil
	}
	for _, n := range []*int{d.Throttle.Reads, d.Throttle.Writes, d.Throttle.Deletes} {
		if n != nil && (*n < 0 || *n > 1_000_000) {
			return invalid("throttle", "must have numbers from 0 to 1000000")
		}
	}
	if d.Throttle.Per == 0 {
		d.Throttle.Per = duration(time.Hour)
	}
	if per := time.Duration(d.Throttle.Per); per < time.Second || per > longestDelay {
		return invalid("throttle.per", "must be from 1s to %s", longestDelay)
	}
	return nil
}

func (h *Handler) getDelays(*request) (any, error) { return h.Delays.status(), nil }

func (h *Handler) putDelays(req *request) (any, error) {
	var body delays
	if err := req.body(&body); err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	h.Delays.set(body)
	h.announce(req, "delays set", "roleAssignments", time.Duration(body.RoleAssignments).String(), "principals", time.Duration(body.Principals).String(),
		"federatedCredentialConflicts", body.FederatedCredentialConflicts, "throttle", body.Throttle != nil)
	return h.Delays.status(), nil
}

func (h *Handler) deleteDelays(req *request) (any, error) {
	h.Delays.Clear()
	h.announce(req, "delays ended")
	return nil, nil
}

// errNoReset says why a server cannot be reset.
func errNoReset(cause error) error {
	return arm.Errorf(http.StatusConflict, "ResetNotPossible", "The server cannot be reset: %s.", cause)
}
