//go:build cluster

package etcd

import (
	"log/slog"
	"sync/atomic"
)

// pressure records why etcd takes no writes.
type pressure struct {
	log     *slog.Logger
	advice  string      // what to do when the quota is used up
	full    atomic.Bool // the alarm NOSPACE
	missing atomic.Bool // no member answers and knows a leader
}

// operatorAdvice is for the operators of an etcd of their own.
const operatorAdvice = "compact it (etcdctl compact REVISION), " +
	"defragment each member (etcdctl defrag) or raise --quota-backend-bytes, then clear the alarm (etcdctl alarm disarm)"

// noSpace records whether etcd has its alarm NOSPACE.
func (p *pressure) noSpace(on bool) {
	switch {
	case p.full.Swap(on) == on:
	case on:
		p.log.Error("etcd refuses writes, because its database has reached its quota: " + p.advice)
	default:
		p.log.Info("etcd takes writes again")
	}
}

// noMembers records whether no member answers and knows a leader.
func (p *pressure) noMembers(on bool) {
	switch {
	case p.missing.Swap(on) == on:
	case on:
		p.log.Error("no member of etcd answers and knows a leader")
	default:
		p.log.Info("etcd answers again")
	}
}

// refusal is why etcd takes no writes. Anybody may read the text.
type refusal string

func (r refusal) Error() string { return "etcd: " + string(r) }

// Public returns the text for unauthenticated clients of /readyz.
func (r refusal) Public() string { return string(r) }

// Failure returns why etcd takes no writes, or nil while it does.
func (e *Engine) Failure() error {
	switch {
	case e.pressure.full.Load():
		return refusal("the quota of etcd is used up (alarm NOSPACE)")
	case e.pressure.missing.Load():
		return refusal("no member of etcd answers and knows a leader")
	}
	return nil
}

// Failures returns how many writes have failed, other than for conflicts.
func (e *Engine) Failures() uint64 { return e.figures.failures.Load() }
