package revocation_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/revocation"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/token"
)

const (
	tenant = "8d3e9b1c-0d3b-4c1c-9e6c-6f6a3d3f0a11"
	origin = "https://login.test:8443"
)

var start = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

type fixture struct {
	*revocation.Lists
	st   store.Store
	keys *token.Keys
	mu   sync.Mutex
	at   time.Time
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{st: storetest.Memory(t), at: start}
	keys, err := token.OpenKeys(t.Context(), token.KeysConfig{Store: f.st, Master: seal.MasterKey{1}, Now: f.now, MaxTokenLifetime: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	f.keys = keys
	f.Lists = f.replica()
	return f
}

// replica is another process at the same store.
func (f *fixture) replica() *revocation.Lists {
	return &revocation.Lists{
		Directory: &directory.Directory{Store: f.st, Now: f.now}, Now: f.now,
		Issuer: &token.Issuer{Keys: f.keys, Now: f.now, NewID: func() string { return "id" }, Origin: origin},
	}
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = f.at.Add(d)
}

// add creates a managed identity, end ends its tokens.
func (f *fixture) add(t testing.TB, oid string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		return f.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: oid, AppID: "app-" + oid, TenantID: tenant, Type: directory.TypeManagedIdentity, Enabled: true})
	})
}

func (f *fixture) revoke(t testing.TB, oid string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error { return f.Directory.RevokeTokens(tx, tenant, oid) })
}

func (f *fixture) update(t testing.TB, change func(store.Tx) error) {
	t.Helper()
	if _, err := f.st.Update(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

func signed(t testing.TB, l *revocation.Lists) *revocation.Signed {
	t.Helper()
	s, err := l.Signed(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// payload decodes a list and its header.
func payload(t testing.TB, s *revocation.Signed) (header map[string]any, list revocation.List) {
	t.Helper()
	parts := strings.Split(string(s.Text), ".")
	for i, into := range []any{&header, &list} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, list
}

func TestListHasEveryRevocationThatWasCommittedBefore(t *testing.T) {
	f := newFixture(t)
	for _, oid := range []string{"b", "a", "c"} {
		f.add(t, oid)
	}
	header, empty := payload(t, signed(t, f.Lists))
	if header["typ"] != revocation.MediaType || header["alg"] != "RS256" || header["kid"] == "" {
		t.Errorf("header %v", header)
	}
	if empty.Issuer != origin+"/"+tenant+"/v2.0" || empty.IssuedAt != start.Unix() || empty.Expires != start.Add(time.Hour).Unix() || empty.Refresh != 60 || empty.Revoked == nil || len(empty.Revoked) != 0 {
		t.Errorf("the empty list is %+v", empty)
	}
	last := empty.Version
	for i, oid := range []string{"b", "a"} {
		f.revoke(t, oid)
		for _, l := range []*revocation.Lists{f.Lists, f.replica()} {
			_, list := payload(t, signed(t, l))
			if len(list.Revoked) != i+1 || list.Version <= last {
				t.Fatalf("after %d revocations: %+v, version before %d", i+1, list, last)
			}
		}
		_, list := payload(t, signed(t, f.Lists))
		last = list.Version
	}
	f.update(t, func(tx store.Tx) error { return f.Directory.DeleteManagedIdentityPrincipal(tx, tenant, "c") })
	_, list := payload(t, signed(t, f.Lists))
	want := []revocation.Entry{{"a", start.Unix() + 1}, {"b", start.Unix() + 1}, {"c", 253402300799}}
	if fmt.Sprint(list.Revoked) != fmt.Sprint(want) {
		t.Errorf("revoked %v, want %v", list.Revoked, want)
	}
}

func TestOneTextIsSharedUntilSomethingChanges(t *testing.T) {
	f := newFixture(t)
	f.add(t, "a")
	f.revoke(t, "a")
	first := signed(t, f.Lists)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if s, err := f.Signed(t.Context(), strings.ToUpper(tenant)); err != nil || s != first {
				t.Errorf("another list, %v", err)
			}
		})
	}
	group.Wait()
	f.advance(10 * time.Minute)
	second := signed(t, f.Lists)
	if second == first || second.Version != first.Version || second.Tag == first.Tag {
		t.Errorf("after ten minutes: versions %d and %d, tags %s and %s", first.Version, second.Version, first.Tag, second.Tag)
	}
	if kid, err := f.keys.Rotate(t.Context()); err != nil || kid == "" {
		t.Fatal(err)
	}
	old, _ := payload(t, second)
	if err := f.keys.Withdraw(t.Context(), old["kid"].(string)); err != nil {
		t.Fatal(err)
	}
	if header, _ := payload(t, signed(t, f.Lists)); header["kid"] == old["kid"] {
		t.Error("the list is signed with a key that was withdrawn")
	}
}

func TestAListIsNotAToken(t *testing.T) {
	f := newFixture(t)
	verifier := &token.Verifier{Keys: f.keys, Now: f.now, Origin: origin}
	if _, err := verifier.Verify(t.Context(), string(signed(t, f.Lists).Text)); !errors.Is(err, token.ErrMalformed) && !errors.Is(err, token.ErrIssuer) {
		t.Errorf("a list as a bearer token: %v", err)
	}
}

func TestConcurrentReadersSeeGrowingVersions(t *testing.T) {
	f := newFixture(t)
	for i := range 30 {
		f.add(t, fmt.Sprintf("%02d", i))
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			last := store.Revision(0)
			for range 20 {
				s, err := f.Signed(t.Context(), tenant)
				if err != nil || s.Version < last {
					t.Errorf("version %d after %d: %v", s.Version, last, err)
					return
				}
				last = s.Version
			}
		})
	}
	for i := range 30 {
		f.revoke(t, fmt.Sprintf("%02d", i))
		if _, list := payload(t, signed(t, f.Lists)); len(list.Revoked) != i+1 {
			t.Errorf("%d entries after %d revocations", len(list.Revoked), i+1)
		}
	}
	group.Wait()
}

// gatedStore calls scan before each scan of a view, and viewed after each view.
type gatedStore struct {
	store.Store
	scan   func()
	viewed func(scanned bool)
}

type gatedTx struct {
	store.Tx
	scan func()
}

func (s gatedStore) View(ctx context.Context, fn func(store.Tx) error) error {
	scanned := false
	defer func() { s.viewed(scanned) }()
	return s.Store.View(ctx, func(tx store.Tx) error {
		return fn(gatedTx{tx, func() { scanned = true; s.scan() }})
	})
}

func (t gatedTx) Scan(r store.Range) iter.Seq2[store.Record, error] {
	t.scan()
	return t.Tx.Scan(r)
}

// TestOneListServesAllWhoWaitForIt checks that requests which wait while a list is made do not make one each, when
// revocations follow each other so fast that every list is old as soon as it is signed.
func TestOneListServesAllWhoWaitForIt(t *testing.T) {
	f := newFixture(t)
	f.add(t, "a")
	f.add(t, "b")
	f.revoke(t, "a")
	viewed, making, release := make(chan struct{}, 100), make(chan struct{}), make(chan struct{})
	made := 0 // only one list is made at a time
	f.Directory.Store = gatedStore{f.st, func() {
		if made++; made == 1 {
			making <- struct{}{}
			<-release
		}
	}, func(scanned bool) {
		if scanned && made == 1 {
			f.revoke(t, "b")
		}
		viewed <- struct{}{}
	}}
	var group sync.WaitGroup
	get := func() {
		group.Go(func() {
			if _, err := f.Signed(t.Context(), tenant); err != nil {
				t.Error(err)
			}
		})
		<-viewed // it knows which version it must get
	}
	get()
	<-making
	for range 5 {
		get()
	}
	close(release)
	group.Wait()
	if made != 1 {
		t.Errorf("%d lists were made for requests that came before the first", made)
	}
	if _, list := payload(t, signed(t, f.Lists)); len(list.Revoked) != 2 {
		t.Errorf("a later request got %v", list.Revoked)
	}
}

func TestListOfTenThousandIsSmall(t *testing.T) {
	f := newFixture(t)
	for batch := range 200 {
		f.update(t, func(tx store.Tx) error {
			for i := range 50 {
				oid := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(batch*50+i)*2654435761, batch*7919&0xffff, i*53&0xfff, batch*31&0xfff, uint64(batch*50+i+1)*0x9e3779b97f4a7c15&0xffffffffffff)
				r := struct {
					V      int       `json:"v"`
					Before time.Time `json:"before"`
					Until  time.Time `json:"until"`
				}{1, start.Add(time.Duration(i) * time.Second), start.Add(25 * time.Hour)}
				value, err := json.Marshal(r)
				if err != nil {
					return err
				}
				tx.Put(store.RevocationKind.Key("", tenant+"/"+oid), value)
			}
			return nil
		})
	}
	f.add(t, "a")
	f.revoke(t, "a")
	s := signed(t, f.Lists)
	t.Logf("10001 entries: %d bytes, %d bytes with gzip", len(s.Text), len(s.Packed))
	if len(s.Text) > 1<<20 || len(s.Packed) > 600<<10 {
		t.Errorf("10001 entries: %d bytes, %d bytes with gzip", len(s.Text), len(s.Packed))
	}
	r, err := gzip.NewReader(bytes.NewReader(s.Packed))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || !bytes.Equal(text, s.Text) {
		t.Errorf("the compressed form differs, %v", err)
	}
	if _, list := payload(t, s); len(list.Revoked) != 10001 {
		t.Errorf("%d entries", len(list.Revoked))
	}
}

func TestExpiryAsksTheRetention(t *testing.T) {
	f := newFixture(t)
	f.add(t, "a")
	f.revoke(t, "a")
	f.advance(48 * time.Hour)
	e := &revocation.Expiry{Directory: f.Directory, Now: f.now}
	if err := e.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, list := payload(t, signed(t, f.Lists)); len(list.Revoked) != 0 {
		t.Errorf("left %v", list.Revoked)
	}
}
