//go:build cluster

package etcd

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// The checks of members.
const (
	checkInterval = time.Second
	checkTimeout  = 1500 * time.Millisecond
)

// members sends requests only to members that answer and know a leader. gRPC alone notices only after more than
// ten seconds that a paused or partitioned member does not answer.
type members struct {
	config   Config
	pressure *pressure
	log      *slog.Logger

	mu      sync.Mutex       // held while all is read or replaced
	client  *clientv3.Client // nil until attach
	all     []*member
	used    []string      // the endpoints that the client uses
	changed chan struct{} // has an element after replace

	healthy  atomic.Int64 // members
	database atomic.Int64 // bytes, of the biggest member
	quota    atomic.Int64 // bytes; 0 if etcd is older than 3.6 and does not say it
}

func newMembers(c Config, p *pressure, log *slog.Logger) (*members, error) {
	m := &members{config: c, pressure: p, log: log, changed: make(chan struct{}, 1)}
	m.healthy.Store(int64(len(c.Endpoints)))
	return m, m.replace(c.Endpoints)
}

// attach sets the client, which uses all endpoints.
func (m *members) attach(client *clientv3.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.client, m.used = client, slices.Clone(m.config.Endpoints)
}

// SetEndpoints replaces the endpoints, after members were added or removed.
func (e *Engine) SetEndpoints(endpoints []string) error { return e.members.replace(endpoints) }

func (m *members) replace(endpoints []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var next []*member
	for _, e := range endpoints {
		if at := slices.IndexFunc(m.all, func(old *member) bool { return old.endpoint == e }); at >= 0 {
			next = append(next, m.all[at])
			continue
		}
		added, err := newMember(m.config, e)
		if err != nil {
			return err
		}
		next = append(next, added)
	}
	for _, old := range m.all {
		if !slices.Contains(next, old) {
			_ = old.conn.Close() // the only error says that it is closed already
		}
	}
	m.all = next
	m.use(endpoints)
	select {
	case m.changed <- struct{}{}:
	default:
	}
	return nil
}

// use sets the endpoints of the client.
func (m *members) use(endpoints []string) {
	if m.client == nil || slices.Equal(endpoints, m.used) {
		return
	}
	m.log.Info("the members of etcd that are in use", "endpoints", endpoints)
	m.used = slices.Clone(endpoints)
	scheme := "http://"
	if m.config.TLS != nil {
		scheme = "https://"
	}
	var urls []string
	for _, e := range endpoints {
		urls = append(urls, scheme+e)
	}
	m.client.SetEndpoints(urls...)
}

// watch checks the members until ctx ends.
func (m *members) watch(ctx context.Context) {
	for ctx.Err() == nil {
		found := m.check(ctx, checkTimeout)
		if ctx.Err() != nil {
			return // the checks were broken off by Close, and tell nothing of the members
		}
		m.settle(found)
		timer := time.NewTimer(checkInterval)
		select {
		case <-timer.C:
		case <-m.changed:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// check asks all members at once.
func (m *members) check(ctx context.Context, limit time.Duration) []health {
	m.mu.Lock()
	all := slices.Clone(m.all)
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found := make([]health, len(all))
	var group sync.WaitGroup
	for i, one := range all {
		group.Go(func() { found[i] = one.check(ctx) })
	}
	group.Wait()
	return found
}

// authenticateNobody reports whether there is a user, and a member says that authentication is off.
func (m *members) authenticateNobody(ctx context.Context, found []health) bool {
	at := slices.IndexFunc(found, func(h health) bool { return h.err == nil })
	if m.config.User == "" || at < 0 {
		return false
	}
	_, err := m.all[at].authenticate(ctx)
	return err != nil && strings.Contains(err.Error(), rpctypes.ErrorDesc(rpctypes.ErrGRPCAuthNotEnabled))
}

// settle uses the members that are well. If none is, all stay in use, because a check can fail where a request
// succeeds.
func (m *members) settle(found []health) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(found) != len(m.all) {
		return // replaced meanwhile
	}
	var well []string
	var size, quota int64
	answered, full := false, false
	for i, h := range found {
		if h.err == nil {
			well = append(well, m.all[i].endpoint)
		}
		if h.status == nil {
			continue
		}
		answered = true
		size, quota = max(size, h.status.DbSize), max(quota, h.status.DbSizeQuota)
		full = full || slices.ContainsFunc(h.status.Errors, func(text string) bool { return strings.Contains(text, "NOSPACE") })
	}
	m.healthy.Store(int64(len(well)))
	m.pressure.noMembers(len(well) == 0)
	if answered {
		m.database.Store(size)
		m.quota.Store(quota)
		m.pressure.noSpace(full)
	}
	if len(well) == 0 {
		for _, one := range m.all {
			well = append(well, one.endpoint)
		}
	}
	m.use(well)
}

func (m *members) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.all {
		_ = one.conn.Close() // the only error says that it is closed already
	}
}
