package midas_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"midas"
)

func TestShutdownLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, store := range []string{"", "memory:"} {
		cfg := quiet(t)
		cfg.Store, cfg.Ops = store, "127.0.0.1:0"
		s := start(t, cfg)
		c := administrator(t, cfg.Data)
		if status, _ := get(t, c.HTTP, c.Endpoint+"/healthz"); status != 200 {
			t.Error(status)
		}
		c.HTTP.CloseIdleConnections()
		shutdown(t, s)
		select {
		case <-s.Done():
		default:
			t.Error("Done is not closed after Shutdown")
		}
		if err := errors.Join(s.Shutdown(t.Context()), s.Close()); err != nil {
			t.Errorf("ending what has ended: %v", err)
		}
		if _, err := os.Stat(filepath.Join(cfg.Data, "control.sock")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the control socket is still there: %v", err)
		}
	}
}

func TestServerOutlivesTheContextOfItsStart(t *testing.T) {
	cfg := quiet(t)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := midas.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	c := administrator(t, cfg.Data)
	if status, _ := get(t, c.HTTP, c.Endpoint+"/readyz"); status != 200 {
		t.Error(status)
	}
	c.HTTP.CloseIdleConnections()
	shutdown(t, s)
}

func TestShutdownIsBounded(t *testing.T) {
	cfg := quiet(t)
	cfg.ShutdownTimeout = 10 * time.Millisecond
	cfg.Ops = "127.0.0.1:0"
	s := start(t, cfg)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.OpsURL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A profile takes far longer than the server waits.
	if _, err := io.WriteString(conn, "GET /debug/pprof/trace?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	inFlight(t, s.OpsURL(), 1)
	if err := s.Shutdown(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "cut off after 10ms") {
		t.Errorf("shutdown: %v", err)
	}
}

func inFlight(t *testing.T, opsURL string, n int) {
	t.Helper()
	want := "midas_http_requests_in_flight " + string(rune('0'+n+1)) + "\n"
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for t.Context().Err() == nil {
		if _, metrics := get(t, plain, opsURL+"/metrics"); strings.Contains(metrics, want) {
			return
		}
	}
}

func TestRequestsInFlightAreAnsweredBeforeTheEnd(t *testing.T) {
	cfg := quiet(t)
	cfg.Ops = "127.0.0.1:0"
	s := start(t, cfg)
	c := administrator(t, cfg.Data)
	body, send := io.Pipe()
	answered := make(chan error, 1)
	go func() { // a token request whose body does not come to its end
		resp, err := c.HTTP.Post(c.Endpoint+"/"+c.TenantID+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", body)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			err = errors.Join(err, resp.Body.Close())
			if resp.StatusCode != http.StatusOK {
				err = errors.Join(err, errors.New(resp.Status))
			}
		}
		answered <- err
	}()
	form := "grant_type=client_credentials&client_id=" + c.ClientID + "&client_secret=" + string(c.ClientSecret) + "&scope=https://management.azure.com/.default"
	if _, err := io.WriteString(send, form[:20]); err != nil {
		t.Fatal(err)
	}
	inFlight(t, s.OpsURL(), 1)

	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for { // the ops listener is there to the last and says that the end has begun
		if status, body := get(t, plain, s.OpsURL()+"/readyz"); status == 503 && body == "shutting down\n" {
			break
		}
	}
	for { // and nobody new is let in
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.Endpoint, "https://"))
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("the end did not wait for the request: %v", err)
	default:
	}
	if _, err := io.WriteString(send, form[20:]); err != nil {
		t.Fatal(err)
	}
	_ = send.Close()
	if err := <-answered; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	c.HTTP.CloseIdleConnections()
	if err := <-ended; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}
