package hosts_test

import (
	"slices"
	"strconv"
	"testing"

	"midas/internal/api/hosts"
)

func displaced(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestOldestWaitOfAHostIsDisplaced(t *testing.T) {
	s := hosts.NewWaits(100)
	other, leaveOther, err := s.Enter("other")
	if err != nil {
		t.Fatal(err)
	}
	var all []<-chan struct{}
	var leaves []func()
	for range 10 {
		c, leave, err := s.Enter("h")
		if err != nil {
			t.Fatal(err)
		}
		all, leaves = append(all, c), append(leaves, leave)
	}
	for i, c := range all {
		if displaced(c) != (i < 7) {
			t.Errorf("request %d of 10: displaced %v", i, displaced(c))
		}
	}
	if displaced(other) {
		t.Error("another host's request was displaced")
	}
	slices.Reverse(leaves)
	for _, leave := range append(leaves, leaveOther) {
		leave()
	}
	if requests, known := s.Size(); requests != 0 || known != 0 {
		t.Errorf("%d requests of %d hosts are left", requests, known)
	}
}

func TestWaitsOfAllHostsAreBounded(t *testing.T) {
	s := hosts.NewWaits(5)
	var last func()
	for i := range 5 {
		_, leave, err := s.Enter(strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		last = leave
	}
	if _, _, err := s.Enter("sixth"); err == nil {
		t.Error("there is no bound")
	}
	last()
	if _, _, err := s.Enter("sixth"); err != nil {
		t.Error(err)
	}
	if requests, known := s.Size(); requests != 5 || known != 5 {
		t.Errorf("%d requests of %d hosts", requests, known)
	}
}
