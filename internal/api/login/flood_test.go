package login_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/store"
	"midas/internal/throttle"
)

// TestNamesOfRequestsAreNotRetained sends 4,000 requests with bodies of 60 KiB and distinct names, as user, client and
// tenant. Afterwards the heap has grown by no more than the device codes and the throttle's table.
func TestNamesOfRequestsAreNotRetained(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.Throttle.Buckets = 1 << 12
	padding := strings.Repeat("x", 60<<10)
	send := func(i int) {
		long, short := fmt.Sprint(i, padding), fmt.Sprint("name", i)
		f.post(tokenV2, passwordForm("username", long+"@"+domain))
		f.post(tokenV2, clientCredentialsForm("client_id", long))
		f.post("/"+long[:4<<10]+"/oauth2/v2.0/token", clientCredentialsForm())
		f.post(tokenV2, clientCredentialsForm("client_secret", "wrong", "client_info", padding))
		f.post(tokenV2, passwordForm("username", short, "client_info", padding))
		f.post(deviceV2, deviceForm("client_info", padding, "scope", "openid"))
	}
	send(0)
	before := heap()
	for i := range 700 {
		f.address = fmt.Sprint("192.0.2.", i%8)
		send(i)
	}
	// The store keeps the device codes, 1.5 KiB each.
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
	if n := f.Throttle.Len(); n > 1<<12 {
		t.Errorf("%d buckets", n)
	}
	f.advance(time.Hour)
	if n := f.Throttle.Len(); n != 0 {
		t.Errorf("%d buckets an hour later", n)
	}
	runtime.KeepAlive(f)
}

// heap returns the number of live bytes on the heap.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestTooLongNamesAreRefusedAndNotCounted expects the errors for unknown names, and no throttle bucket.
func TestTooLongNamesAreRefusedAndNotCounted(t *testing.T) {
	f := newFixtureWithUsers(t)
	long := strings.Repeat("x", throttle.MaxName+1)
	for range 50 {
		f.refused(t, f.post(tokenV2, passwordForm("username", long)), 400, 50034)
		f.refused(t, f.post("/common/oauth2/v2.0/token", passwordForm("username", "x@"+long)), 400, 50034)
		f.refused(t, f.post(tokenV2, clientCredentialsForm("client_id", long)), 400, 700016)
		f.refused(t, f.post("/common/oauth2/v2.0/devicecode", deviceForm("client_id", long)), 400, 700016)
		f.refused(t, f.post("/"+long+"/oauth2/v2.0/token", clientCredentialsForm()), 400, 90002)
	}
	if n := f.Throttle.Len(); n != 0 {
		t.Errorf("%d buckets, want none", n)
	}
}

// reads counts calls of View and Recent.
type reads struct {
	store.Store
	n atomic.Int64
}

func (s *reads) View(ctx context.Context, fn func(store.Tx) error) error {
	s.n.Add(1)
	return s.Store.View(ctx, fn)
}

func (s *reads) Recent(ctx context.Context, fn func(store.Tx) error) error {
	s.n.Add(1)
	return s.Store.Recent(ctx, fn)
}

// TestThrottledRequestsDoNotReadTheStore checks that an address that has used up its attempts is refused without
// a hash and without a read of the store, for all user names. Other addresses are not affected.
func TestThrottledRequestsDoNotReadTheStore(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.Passwords.PerAddress = throttle.Rule{Burst: 3, Refill: time.Hour}
	f.Passwords.FamiliarLookUps = throttle.Rule{Burst: 2, Refill: time.Hour}
	counted := &reads{Store: f.Directory.Store}
	f.Directory.Store = counted
	for i := range 3 + 2 {
		w := f.post(tokenV2, passwordForm("username", fmt.Sprint("nobody", i)))
		if want := map[bool]int{true: 400, false: 429}[i < 3]; w.Code != want {
			t.Fatalf("try %d: status %d, want %d", i, w.Code, want)
		}
	}
	counted.n.Store(0)
	for i := range 100 {
		for _, path := range []string{tokenV2, tokenV1, "/organizations/oauth2/v2.0/token", "/nowhere/oauth2/v2.0/token"} {
			w := f.post(path, passwordForm("username", fmt.Sprint("nobody", i), "resource", armAudience))
			f.refused(t, w, http.StatusTooManyRequests, 90055)
			if w.Header().Get("Retry-After") == "" {
				t.Fatal("there is no Retry-After")
			}
		}
	}
	if n := counted.n.Load(); n != 0 {
		t.Errorf("the store was read %d times", n)
	}
	f.address = "198.51.100.1"
	f.granted(t, f.post(tokenV2, passwordForm()))
}
