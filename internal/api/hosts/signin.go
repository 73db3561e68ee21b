package hosts

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/host"
)

// maxIdentities is for how many identities sign-ins are counted one by one. Those beyond are counted
// together, so that the number of metrics stays bounded.
const maxIdentities = 1000

// otherIdentities stands for them.
const otherIdentities = "other"

// SignIns says who got a token for what from where: a log line each, and counters. Nothing of it is
// in the store.
type SignIns struct {
	total *prometheus.CounterVec

	mu    sync.Mutex
	known map[string]bool // object ids that have a counter of their own
}

// NewSignIns registers the counters.
func NewSignIns(reg prometheus.Registerer) (*SignIns, error) {
	s := &SignIns{known: map[string]bool{}, total: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "midas_sign_ins_total",
		Help: "Tokens given to hosts and refused to them, by the object id of the identity.",
	}, []string{"identity", "outcome"})}
	if err := reg.Register(s.total); err != nil {
		return nil, fmt.Errorf("register sign-in metrics: %w", err)
	}
	return s, nil
}

// note writes a sign-in down. Only tokens that were given name an identity in the counters: ids that
// hosts merely ask for could be any.
func (s *SignIns) note(x *exchange, log *slog.Logger, in host.TokenRequest, p host.Principal, err error) {
	outcome, level, label := "granted", slog.LevelInfo, s.label(p.ObjectID)
	attrs := []slog.Attr{
		slog.String("host", x.host.ID), slog.String("resource", x.host.Resource), slog.String("client", x.ev.ClientIP),
		slog.String("request", x.ev.RequestID), slog.String("audience", in.Audience),
	}
	if err != nil {
		r := asRefusal(err)
		outcome, level, label = "refused", slog.LevelWarn, ""
		if r.status >= http.StatusInternalServerError {
			outcome, level = "failed", slog.LevelError
		}
		attrs = append(attrs, slog.Any("selected", in.Selector), slog.String("code", r.code))
	} else {
		attrs = append(attrs,
			slog.String("tenant", p.TenantID), slog.String("identity", p.ObjectID),
			slog.String("client_id", p.ClientID), slog.String("identity_resource", p.ResourceID))
	}
	s.total.WithLabelValues(label, outcome).Inc()
	log.LogAttrs(x.r.Context(), level, "sign-in "+outcome, attrs...)
}

func (s *SignIns) label(oid string) string {
	if oid == "" {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known[oid] && len(s.known) >= maxIdentities {
		return otherIdentities
	}
	s.known[oid] = true
	return oid
}
