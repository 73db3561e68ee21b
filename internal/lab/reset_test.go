package lab_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"midas"
	"midas/internal/client"
	"midas/midastest"
)

func TestResetReturnsToTheStateOfTheStart(t *testing.T) {
	l := start(t)
	token := l.Token(t, midastest.Management)
	l.create("app")
	l.arm("POST", "/v1.0/groups", `{"displayName":"g","mailNickname":"g","mailEnabled":false,"securityEnabled":true}`, 201)
	l.lab("POST", "/faults", `{"match":{"api":"graph"},"status":500}`, 200)
	l.lab("PUT", "/delays", `{"principals":"1h"}`, 200)
	l.lab("PUT", "/ids", `{"users":[{"userPrincipalName":"a@midas.localhost","id":"`+guid(1)+`"}]}`, 200)
	l.lab("POST", "/clock", `{"advance":"100h"}`, 200)
	late := l.Token(t, midastest.Management)
	if a := l.lab("POST", "/reset", "", 200); a.at(t, "records") == 0.0 {
		t.Errorf("nothing was reset: %s", a.text)
	}
	l.arm("GET", l.group()+groupVersion, "", 404)
	if groups := l.arm("GET", "/v1.0/groups", "", 200).at(t, "value").([]any); len(groups) != 0 {
		t.Errorf("%d groups are left", len(groups))
	}
	s := l.lab("GET", "", "", 200)
	if s.at(t, "clock", "ahead") != "0s" || len(s.at(t, "faults").([]any)) != 0 || s.at(t, "delays", "principals") != "0s" || s.at(t, "reservedIds") != 0.0 {
		t.Errorf("after a reset: %s", s.text)
	}
	if a := l.send("GET", subscriptions, "", bearer(token)); a.status != 200 {
		t.Errorf("a token of before: %d %s", a.status, a.text)
	}
	if a := l.send("GET", subscriptions, "", bearer(late)); a.status != 401 {
		t.Errorf("a token of the future: %d %s", a.status, a.text)
	}
	// The same again, from a captured state.
	first := l.create("kept")
	l.lab("PUT", "/reset", "", 204)
	l.create("dropped")
	l.arm("DELETE", l.identity("kept")+identityVersion, "", 200)
	l.Reset(t)
	l.arm("GET", l.identity("dropped")+identityVersion, "", 404)
	if got := l.arm("GET", l.identity("kept")+identityVersion, "", 200).at(t, "properties", "principalId"); got != first {
		t.Errorf("the identity has another principal: %v", got)
	}
	if a := l.lab("POST", "/reset", "", 200); a.at(t, "records").(float64) > 1 {
		t.Errorf("a second reset changes %v records", a.at(t, "records"))
	}
}

func TestResetWhileRequestsRun(t *testing.T) {
	l := start(t)
	token := l.Token(t, midastest.Management)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for n := range 30 {
				group := fmt.Sprintf("/subscriptions/%s/resourceGroups/rg%d", l.SubscriptionID, worker)
				id := fmt.Sprintf("%s/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app%d", group, n)
				for _, r := range [][3]string{{"PUT", group + groupVersion, `{"location":"eastus"}`}, {"PUT", id + identityVersion, `{"location":"eastus"}`}, {"GET", id + identityVersion, ""}, {"DELETE", id + identityVersion, ""}} {
					if a := l.send(r[0], r[1], r[2], bearer(token)); a.status >= 500 {
						t.Errorf("%s: %d %s", r[0], a.status, a.text)
					}
				}
			}
		})
	}
	for range 20 {
		l.lab("POST", "/reset", "", 200)
		time.Sleep(5 * time.Millisecond)
	}
	all.Wait()
	l.Reset(t)
	for worker := range 4 {
		l.arm("GET", fmt.Sprintf("/subscriptions/%s/resourceGroups/rg%d", l.SubscriptionID, worker)+groupVersion, "", 404)
	}
}

// A durable store is returned to the state of the start by the same way.
func TestResetOfAFolder(t *testing.T) {
	l := start(t, midastest.With(func(c *midas.Config) { c.Store = "" }))
	l.create("app")
	l.Reset(t)
	l.arm("GET", l.group()+groupVersion, "", 404)
}

func TestWithoutLabThereIsNoReset(t *testing.T) {
	srv, err := midas.Start(t.Context(), midas.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Store: "memory:", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if _, err := srv.Reset(t.Context()); err == nil {
		t.Error("a server without --lab is reset")
	}
	if err := srv.Advance(t.Context(), time.Hour); err == nil {
		t.Error("the clock of a server without one is moved")
	}
}

// BenchmarkReset returns from 20 identities and their group to the state of the start.
func BenchmarkReset(b *testing.B) {
	srv := midastest.Start(b, midastest.Lab())
	l := laboratory{srv, nil}
	token := srv.Token(b, midastest.Management)
	put := func(path, body string) {
		req, _ := http.NewRequestWithContext(b.Context(), "PUT", srv.Endpoint+path, strings.NewReader(body))
		bearer(token)(req)
		req.Header.Set("Content-Type", "application/json")
		resp, err := srv.Client().Do(req)
		if err != nil || resp.StatusCode > 201 {
			b.Fatal(err, resp)
		}
		_ = resp.Body.Close()
	}
	for b.Loop() {
		b.StopTimer()
		put(l.group()+groupVersion, `{"location":"eastus"}`)
		for n := range 20 {
			put(l.identity(fmt.Sprint("app", n))+identityVersion, `{"location":"eastus"}`)
		}
		b.StartTimer()
		srv.Reset(b)
	}
}

// A move of the clock during a reset leaves neither a moved clock with the keys of the start, nor keys of the future.
func TestResetWhileTheClockIsMoved(t *testing.T) {
	cfg := midas.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Store: "memory:", Lab: true, Logger: slog.New(slog.DiscardHandler)}
	server, err := midas.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var both sync.WaitGroup
	try := func(do func() error) {
		both.Go(func() {
			if err := do(); err != nil {
				t.Error(err)
			}
		})
	}
	reset := func() error { _, err := server.Reset(t.Context()); return err }
	for range 5 {
		try(func() error { return server.Advance(t.Context(), 40*24*time.Hour) })
		try(reset)
	}
	both.Wait()
	if err := reset(); err != nil || time.Until(server.Now()) > 0 {
		t.Errorf("after a reset: %s, %v", server.Now(), err)
	}
	admin, err := client.Open(cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Token(t.Context(), midastest.Management); err != nil {
		t.Errorf("a token after the reset: %v", err)
	}
}
