// Package signin reports the sign-ins of workloads: of managed identities on hosts, and of applications and identities
// that exchange the token of another issuer. Each sign-in has a log line and increments a counter. Sign-ins are not
// stored.
package signin

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/arm"
	"midas/internal/throttle"
)

// maxIdentities is the number of identities that have a counter of their own. The sign-ins of all further
// identities are counted under otherIdentities, so that the number of metrics is bounded.
const maxIdentities = 1000

const otherIdentities = "other"

// maxRefusals is the number of refused exchanges that have a log line in each second. Anybody can cause such lines. The
// next line says how many there were more.
const maxRefusals = 20

// Outcome is how a sign-in has ended. It is a metric label.
type Outcome string

// The outcomes.
const (
	Granted Outcome = "granted"
	Refused Outcome = "refused"
	Failed  Outcome = "failed" // by a fault of the server
)

// SignIn is one sign-in.
type SignIn struct {
	Outcome  Outcome
	Identity string      // the object id; counted only if the sign-in was granted, because anybody can name any id
	Attrs    []slog.Attr // of the log line
	Open     bool        // everybody can cause such a refusal, so that the number of its lines is limited

	// Describe returns further attributes. It is called only if there will be a line, so that refusals without one cost
	// nothing. Nil means that there are none.
	Describe func() []slog.Attr
}

// Log reports sign-ins. It is safe for concurrent use.
type Log struct {
	log   *slog.Logger
	now   func() time.Time
	total *prometheus.CounterVec

	refusals throttle.Lines // of refusals that everybody can cause

	mu    sync.Mutex
	known map[string]bool // the object ids that have a counter of their own
}

// New registers the counters.
func New(reg prometheus.Registerer, log *slog.Logger, now func() time.Time) (*Log, error) {
	l := &Log{log: log, now: now, known: map[string]bool{}, refusals: throttle.Lines{Max: maxRefusals}, total: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "midas_sign_ins_total",
		Help: "Token requests of hosts and exchanges of tokens, by the object id of the identity and the outcome.",
	}, []string{"identity", "outcome"})}
	for _, o := range []Outcome{Granted, Refused, Failed} { // so that a rate is known from the first one on
		l.total.WithLabelValues("", string(o))
	}
	if err := reg.Register(l.total); err != nil {
		return nil, fmt.Errorf("register sign-in metrics: %w", err)
	}
	return l, nil
}

// Note reports a sign-in.
func (l *Log) Note(ctx context.Context, in SignIn) {
	level, label := slog.LevelInfo, ""
	switch in.Outcome {
	case Granted:
		label = l.label(in.Identity)
	case Failed:
		level = slog.LevelError
	default:
		level = slog.LevelWarn
	}
	l.total.WithLabelValues(label, string(in.Outcome)).Inc()
	if in.Open && in.Outcome == Refused {
		dropped, allowed := l.refusals.Allow(l.now())
		if !allowed {
			return
		}
		if dropped > 0 {
			in.Attrs = append(in.Attrs, slog.Int("not_logged", dropped))
		}
	}
	if in.Describe != nil {
		in.Attrs = append(in.Attrs, in.Describe()...)
	}
	for i, a := range in.Attrs { // callers choose most of the texts
		if a.Value.Kind() == slog.KindString {
			in.Attrs[i].Value = slog.StringValue(arm.Printable(a.Value.String()))
		}
	}
	l.log.LogAttrs(ctx, level, "sign-in "+string(in.Outcome), in.Attrs...)
}

func (l *Log) label(oid string) string {
	if oid == "" {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known[oid] && len(l.known) >= maxIdentities {
		return otherIdentities
	}
	l.known[oid] = true
	return oid
}
