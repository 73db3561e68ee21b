package serve_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"midas/internal/serve"
)

func TestDivideFiles(t *testing.T) {
	for files, want := range map[int]serve.Plan{
		64:      {16, 8, 64},
		256:     {64, 32, 64},
		1024:    {640, 320, 256},
		20000:   {19372, 9686, 500},
		1 << 30: {32768, 16384, 500},
	} {
		if got := serve.Divide(files); got != want {
			t.Errorf("%d files: %+v, want %+v", files, got, want)
		}
	}
	if n, err := serve.Files(); err != nil || n < 64 {
		t.Errorf("%d files, %v", n, err)
	}
}

// limited accepts connections on loopback within a limit and sends them to the channel.
func limited(t *testing.T, connections, each int, shared func(netip.Addr) bool) (*serve.Limit, net.Listener, chan net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limit := serve.NewLimit(connections, each, slog.New(slog.DiscardHandler))
	limit.Shared = shared
	l := limit.Listener(inner)
	accepted := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return limit, l, accepted
}

// dial connects from one of this machine's addresses.
func dial(t *testing.T, l net.Listener, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	c, err := dialer.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestConnectionsOfOneAddressAreLimited(t *testing.T) {
	limit, l, accepted := limited(t, 10, 3, nil)
	var held []net.Conn
	for range 3 {
		dial(t, l, "127.0.0.1")
		held = append(held, <-accepted)
	}
	for range 5 {
		c := dial(t, l, "127.0.0.1")
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.ErrNoProgress) {
			t.Errorf("one too many: %v", err)
		}
	}
	dial(t, l, "127.0.0.2")
	<-accepted
	if n := limit.Open(); n != 4 {
		t.Errorf("%d are open", n)
	}
	_ = held[0].Close()
	_ = held[0].Close() // the second Close must not count
	dial(t, l, "127.0.0.1")
	<-accepted
	if n := limit.Open(); n != 4 {
		t.Errorf("%d are open in the end", n)
	}
}

func TestSharedAddressMayExceedTheLimitOfOneAddress(t *testing.T) {
	proxy := netip.MustParseAddr("127.0.0.2")
	limit, l, accepted := limited(t, 10, 3, func(a netip.Addr) bool { return a == proxy })
	for range 6 {
		dial(t, l, "127.0.0.2")
		<-accepted
	}
	for range 4 {
		dial(t, l, "127.0.0.1")
	}
	for range 3 {
		<-accepted
	}
	if n := limit.Open(); n != 9 {
		t.Errorf("%d are open; want 6 of the proxy and 3 of the address with a share", n)
	}
}
