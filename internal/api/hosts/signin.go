package hosts

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/host"
)

// maxIdentities is the number of identities that have a counter of their own. The sign-ins of all further
// identities are counted under otherIdentities, so that the number of metrics is bounded.
const maxIdentities = 1000

const otherIdentities = "other"

// SignIns reports sign-ins of managed identities. Each has a log line with the identity, the audience, the host
// and its address, and increments a counter. Sign-ins are not stored.
type SignIns struct {
	total *prometheus.CounterVec

	mu    sync.Mutex
	known map[string]bool // the object ids that have a counter of their own
}

// NewSignIns registers the counters.
func NewSignIns(reg prometheus.Registerer) (*SignIns, error) {
	s := &SignIns{known: map[string]bool{}, total: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "midas_sign_ins_total",
		Help: "Token requests of hosts, by the object id of the identity and the outcome.",
	}, []string{"identity", "outcome"})}
	if err := reg.Register(s.total); err != nil {
		return nil, fmt.Errorf("register sign-in metrics: %w", err)
	}
	return s, nil
}

// note reports a sign-in. Only granted tokens are counted by identity, because hosts can ask for any number of
// ids.
func (s *SignIns) note(req *request, log *slog.Logger, in host.TokenRequest, p host.Principal, err error) {
	outcome, level, label := "granted", slog.LevelInfo, s.label(p.ObjectID)
	attrs := []slog.Attr{
		slog.String("host", req.host.ID), slog.String("resource", req.host.Resource), slog.String("client", req.ev.ClientIP),
		slog.String("request", req.ev.RequestID), slog.String("audience", in.Audience),
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
	log.LogAttrs(req.r.Context(), level, "sign-in "+outcome, attrs...)
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
