package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/throttle"
)

// served is a queue in which each operation takes a second. It records the order of the operations.
type served struct {
	*throttle.Queue
	mu     sync.Mutex // guards order and busy
	order  []string
	busy   []string
	cancel map[string]context.CancelFunc
}

// comes starts a caller of Acquire with a name.
func (s *served) comes(name, address string, familiar bool) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel[name] = cancel
	go func() {
		release, err := s.Acquire(ctx, throttle.Waiter{From: throttle.SourceOf(address), Familiar: familiar})
		switch {
		case errors.Is(err, throttle.ErrBusy):
			s.mu.Lock()
			defer s.mu.Unlock()
			s.busy = append(s.busy, name)
			return
		case err != nil:
			return
		}
		s.mu.Lock()
		s.order = append(s.order, name)
		s.mu.Unlock()
		time.Sleep(time.Second)
		release()
		release() // does nothing
	}()
	synctest.Wait()
}

// settle sleeps, and waits until all goroutines are blocked.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func inQueue(t *testing.T, slots, waiting int, fn func(s *served)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &served{Queue: &throttle.Queue{Slots: slots, Waiting: waiting}, cancel: map[string]context.CancelFunc{}}
		fn(s)
		settle(time.Hour)
		if n := s.Len(); n != 0 {
			t.Errorf("%d callers still wait", n)
		}
	})
}

// position returns how many callers were served before the named one, or -1.
func (s *served) position(name string) int {
	for i, one := range s.order {
		if one == name {
			return i
		}
	}
	return -1
}

// TestFloodFromOneAddressDelaysOthersByOneTurn fills the queue repeatedly from one address. Another address is served after the
// running operation and one turn.
func TestFloodFromOneAddressDelaysOthersByOneTurn(t *testing.T) {
	inQueue(t, 1, 8, func(s *served) {
		for i := range 50 {
			s.comes(fmt.Sprint("flood ", i), "192.0.2.66", false)
		}
		s.comes("victim", "198.51.100.1", false)
		for i := range 50 {
			s.comes(fmt.Sprint("more ", i), "192.0.2.66", false)
		}
		settle(time.Minute)
		if at := s.position("victim"); at < 0 || at > 2 {
			t.Errorf("the other address was served after %d hashes, want at most 2: %q", at, s.order)
		}
	})
}

// TestFloodFromOneNetworkDelaysOthersByOneTurn fills the queue from many addresses of one IPv6 /48.
func TestFloodFromOneNetworkDelaysOthersByOneTurn(t *testing.T) {
	inQueue(t, 1, 16, func(s *served) {
		for i := range 100 {
			s.comes(fmt.Sprint("flood ", i), fmt.Sprintf("2001:db8:0:%x::1", i), false)
		}
		s.comes("victim", "2001:db8:1::1", false)
		s.comes("neighbour", "2001:db8:0:1::1", false)
		for i := range 100 {
			s.comes(fmt.Sprint("more ", i), fmt.Sprintf("2001:db8:0:%x::2", i), false)
		}
		settle(time.Minute)
		if at := s.position("victim"); at < 0 || at > 2 {
			t.Errorf("the other network was served after %d hashes, want at most 2: %q", at, s.order)
		}
	})
}

// TestManyNetworksTakeTurns floods from ten networks: the longest wait is one turn of each.
func TestManyNetworksTakeTurns(t *testing.T) {
	inQueue(t, 2, 40, func(s *served) {
		for round := range 20 {
			for network := range 10 {
				s.comes(fmt.Sprint("flood ", network, round), fmt.Sprintf("10.0.%d.%d", network, round), false)
			}
		}
		s.comes("victim", "198.51.100.1", false)
		s.comes("familiar", "198.51.100.2", true)
		settle(time.Minute)
		if at := s.position("victim"); at < 0 || at > 2+10+1 {
			t.Errorf("served after %d hashes, want one turn of each network: %q", at, s.order)
		}
		if at := s.position("familiar"); at < 0 || at > 3 {
			t.Errorf("the familiar address was served after %d hashes, want at most 3: %q", at, s.order)
		}
	})
}

// TestFamiliarSourcesDoNotStarveOthers floods from a familiar address.
func TestFamiliarSourcesDoNotStarveOthers(t *testing.T) {
	inQueue(t, 1, 16, func(s *served) {
		for i := range 100 {
			s.comes(fmt.Sprint("flood ", i), "192.0.2.66", true)
		}
		s.comes("stranger", "198.51.100.1", false)
		for i := range 100 {
			s.comes(fmt.Sprint("more ", i), "192.0.2.66", true)
		}
		settle(time.Minute)
		if at := s.position("stranger"); at < 0 || at > 2 {
			t.Errorf("the stranger was served after %d hashes, want at most 2: %q", at, s.order)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	inQueue(t, 1, 4, func(s *served) {
		for i := range 20 {
			s.comes(fmt.Sprint(i), "192.0.2.1", false)
		}
		if s.Len() != 4 || len(s.busy) != 15 {
			t.Errorf("%d wait and %d were turned away, want 4 and 15", s.Len(), len(s.busy))
		}
	})
}

// TestCanceledWaiterTakesNoTurn checks that a waiter whose context ends takes no turn.
func TestCanceledWaiterTakesNoTurn(t *testing.T) {
	inQueue(t, 1, 8, func(s *served) {
		for i := range 4 {
			s.comes(fmt.Sprint(i), "192.0.2.1", false)
		}
		s.cancel["1"]()
		s.cancel["3"]()
		synctest.Wait()
		if n := s.Len(); n != 1 {
			t.Errorf("%d wait, want 1", n)
		}
		settle(time.Minute)
		if got := fmt.Sprint(s.order); got != "[0 2]" {
			t.Errorf("served %s, want [0 2]", got)
		}
	})
}
