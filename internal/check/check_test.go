package check_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"midas/internal/check"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

// golden opens a copy of the store of an earlier release, which has objects of most kinds.
func golden(t *testing.T) store.Store {
	t.Helper()
	file, err := os.Open("../../testdata/golden/v1.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for files := tar.NewReader(unzipped); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(files)
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	engine, err := pebble.Open(filepath.Join(dir, "data", "store"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func records(t *testing.T, st store.Store) map[string]string {
	t.Helper()
	var all map[string]string
	err := st.View(t.Context(), func(tx store.Tx) error {
		all = map[string]string{}
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			all[rec.Key] = string(rec.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func run(t *testing.T, st store.Store, now time.Time) (found []check.Finding) {
	t.Helper()
	err := st.View(context.Background(), func(tx store.Tx) error {
		found = nil
		return check.Run(tx, now, func(f check.Finding) error { found = append(found, f); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// breakage breaks one invariant: it changes the first record whose key contains a text.
type breakage struct {
	name     string
	key      string // a part of the key; in a new key {t} and {s} stand for the tenant and the subscription
	old, new string // what to replace in the value; without both, the record is deleted
	put      bool   // new is the value of a new record
	rule     string
	at       string // a part of the key of the finding
	says     string
}

func breakages() []breakage {
	return []breakage{
		{name: "unknown kind", key: "zz/x", new: "{}", put: true, rule: "record", at: "zz/x", says: "knows no such kind"},
		{name: "key that is not UTF-8", key: "zz/\xff", new: "{}", put: true, rule: "record", says: "knows no such kind"},
		{name: "unknown kind of a tenant", key: "d/{t}/zz/x", new: "{}", put: true, rule: "record", at: "/zz/x", says: "knows no such kind"},
		{name: "newer record", key: "/user/", old: `"v":1`, new: `"v":9`, rule: "record", at: "/user/", says: "newer Midas"},
		{name: "not JSON", key: "lk/", old: `}`, new: "", rule: "record", at: "lk/", says: "not JSON"},
		{name: "no version", key: "k/", old: `"v":1,`, new: "", rule: "record", at: "k/", says: "no version"},
		{name: "unfinished restore", key: "m/restoring", new: `{"v":1}`, put: true, rule: "record", at: "m/restoring", says: "has not ended"},
		{name: "list key missing", key: "t/microsoft.compute/virtualmachines/", rule: "resource", at: "r/", says: "list key"},
		{name: "record missing", key: "/set1/virtualmachines/1", rule: "resource", at: "t/", says: "not found"},
		{name: "another id", key: "r//subscriptions/", old: "/subscriptions/", new: "/subscriptionz/", rule: "resource", at: "r/"},
		{name: "association missing", key: "a/", rule: "identity", at: "i/", says: "association"},
		{name: "association left", key: "i/", rule: "identity", at: "a/", says: "not found"},
		{name: "another principal associated", key: "a/", old: "-", new: "0", rule: "identity", at: "a/", says: "does not refer"},
		{name: "orphan block", key: "i//subscriptions/none", new: `{"v":1,"resource":"/subscriptions/none","tenant":"x"}`, put: true, rule: "identity", at: "i//subscriptions/none", says: "its resource"},
		{name: "orphan principal", key: "r//subscriptions/{s}/resourcegroups/golden/providers/microsoft.managedidentity/userassignedidentities/app", rule: "directory", at: "/sp/", says: "the resource of this managed identity"},
		{name: "principal of a machine missing", key: "/sp/", old: "vm1", rule: "identity", at: "i/", says: "the principal of the resource"},
		{name: "look-up key missing", key: "/sp-app/", rule: "directory", at: "/sp/", says: "look-up key"},
		{name: "look-up key left", key: "/user-name/", old: `"id":"`, new: `"id":"0`, rule: "directory", at: "/user-name/", says: "its object"},
		{name: "look-up key of another", key: "/user-name/", old: `"id":"`, new: `"id":"0`, rule: "directory", at: "/user/", says: "leads to"},
		{name: "domain missing", key: "d//domain/", rule: "directory", at: "d//tenant/", says: "look-up key"},
		{name: "application id missing", key: "/app-object/", rule: "directory", at: "/app/", says: "look-up key"},
		{name: "group under another key", key: "/group/", old: `"id":"`, new: `"id":"0`, rule: "directory", at: "/group/", says: "its ids are"},
		{name: "identifier URI left", key: "d/{t}/app-uri/api:%2F%2Fx", new: `{"v":1,"id":"none"}`, put: true, rule: "directory", at: "/app-uri/", says: "its object"},
		{name: "member in one direction", key: "/member-of/", rule: "directory", at: "/member/", says: "other direction"},
		{name: "membership in one direction", key: "/member/", rule: "directory", at: "/member-of/", says: "other direction"},
		{name: "owner in one direction", key: "/owner-of/", rule: "directory", at: "/owner/", says: "other direction"},
		{name: "role in one direction", key: "/role/", rule: "directory", at: "/role-of/", says: "other direction"},
		{name: "link to nobody", key: "/group/", rule: "directory", at: "/member/", says: "no object"},
		{name: "administrators", key: "/administrators/", old: `"enabled":2`, new: `"enabled":3`, rule: "directory", at: "/administrators/", says: "there are 2"},
		{name: "app role without its index", key: "d/{t}/approle/p/r", new: `{"v":1,"id":"r","tenantId":"{t}","principalId":"p","resourceId":"q"}`, put: true, rule: "directory", at: "/approle/", says: "look-up key"},
		{name: "app role index left", key: "d/{t}/approle-to/q/r", new: `{"v":1,"id":"p"}`, put: true, rule: "directory", at: "/approle-to/", says: "its assignment"},
		{name: "permission grant without its index", key: "d/{t}/permission-grant/g", new: `{"v":1,"id":"g","tenantId":"{t}","clientId":"c","resourceId":"q"}`, put: true, rule: "directory", at: "/permission-grant/", says: "look-up key"},
		{name: "permission grant index left", key: "d/{t}/permission-grant-user/u/g", new: `{"v":1}`, put: true, rule: "directory", at: "/permission-grant-user/", says: "its grant"},
		{name: "revocation list missing", key: "rvl/", rule: "directory", at: "rv/", says: "the list of the tenant"},
		{name: "assignment without index", key: "g/", rule: "role", at: "s/", says: "not found"},
		{name: "assignment without name", key: "sn/", rule: "role", at: "s/", says: "not found"},
		{name: "assignment missing", key: "s//subscriptions/", rule: "role", at: "sn/", says: "its assignment"},
		{name: "index of nothing", key: "s//subscriptions/", rule: "role", at: "g/", says: "not found"},
		{name: "count of assignments", key: "sc/{s}", old: `"assignments":5`, new: `"assignments":4`, rule: "role", at: "sc/", says: "there are 5"},
		{name: "count of Owners", key: "sc/{s}", old: `"owners":2`, new: `"owners":1`, rule: "role", at: "sc/", says: "2 Owners"},
		{name: "count missing", key: "sc/{s}", rule: "role", at: "s/", says: "the count"},
		{name: "count at a group", key: "sc//providers/", old: `"assignments":1`, new: `"assignments":7`, rule: "role", at: "sc//providers/", says: "there are 1"},
		{name: "name of a role missing", key: "rn/", rule: "role", at: "rd/", says: "name"},
		{name: "role missing", key: "rd/", rule: "role", at: "rn/", says: "not found"},
		{name: "count of roles", key: "rt/", old: `"roles":1`, new: `"roles":2`, rule: "role", at: "rt/", says: "there are 1"},
		{name: "count of roles missing", key: "rt/", rule: "role", at: "rd/", says: "the count"},
		{name: "count of uses", key: "ru/", old: `"assignments":1`, new: `"assignments":0`, rule: "role", at: "ru/", says: "there are 1"},
		{name: "use missing", key: "ra/", rule: "role", at: "s/", says: "not found"},
		{name: "count of deny assignments", key: "dc/{t}", new: `{"v":1,"denyAssignments":3}`, put: true, rule: "role", at: "dc/", says: "there are 0"},
		{name: "count of locks", key: "lc/", old: `"locks":1`, new: `"locks":2`, rule: "lock", at: "lc/", says: "there are 1"},
		{name: "uncounted lock", key: "lc/", rule: "lock", says: "not counted"},
		{name: "lock under another key", key: "lk/", old: `"name":"keep"`, new: `"name":"kept"`, rule: "lock", at: "lk/", says: "not that of"},
		{name: "group without its entry", key: "mgc/", rule: "management-group", at: "mg/", says: "its entry"},
		{name: "entry without its group", key: "mg/", rule: "management-group", at: "mgc/", says: "not found"},
		{name: "place without its entry", key: "mgs/{t}/{s}", new: `{"v":1,"group":"platform"}`, put: true, rule: "management-group", at: "mgs/", says: "its entry"},
		{name: "entry without its place", key: "mgc/{t}/platform/s/{s}", new: "{s}", put: true, rule: "management-group", at: "mgc/", says: "stands below"},
		{name: "count of aliases", key: "sat/", old: `"aliases":1`, new: `"aliases":2`, rule: "subscription", at: "sat/", says: "there are 1"},
		{name: "uncounted alias", key: "sat/", rule: "subscription", at: "sa/", says: "the count"},
		{name: "operation of nothing", key: "o/x", new: `{"v":1,"name":"x","group":"/subscriptions/{s}/resourceGroups/gone","started":"2020-01-01T00:00:00Z"}`, put: true, rule: "operation", at: "o/x"},
		{name: "operation without a target", key: "o/x", new: `{"v":1,"name":"x","started":"2020-01-01T00:00:00Z"}`, put: true, rule: "operation", at: "o/x"},
		{name: "operation under another key", key: "o/x", new: `{"v":1,"name":"y","group":"/subscriptions/{s}","started":"2020-01-01T00:00:00Z"}`, put: true, rule: "operation", at: "o/x", says: "name"},
		{name: "lease without a term", key: "jb/x", new: `{"v":1,"holder":"h"}`, put: true, rule: "replica", at: "jb/x", says: "term"},
		{name: "replica with a wrong address", key: "rp/x", new: `{"v":1,"addresses":["midas"],"seen":"2026-01-01T00:00:00Z"}`, put: true, rule: "replica", at: "rp/x", says: "URL"},
		{name: "replica that was never seen", key: "rp/x", new: `{"v":1}`, put: true, rule: "replica", at: "rp/x", says: "seen"},
		{name: "second name of a user", key: "d/{t}/user-name/other@golden.example", new: "of /user-name/", put: true, rule: "directory", at: "/user-name/other", says: "another name"},
		{name: "second id of an application", key: "d/{t}/app-object/other", new: "of /app-object/", put: true, rule: "directory", at: "/app-object/other", says: "another name"},
		{name: "second application of a principal", key: "d/{t}/sp-app/other", new: "of /sp-app/", put: true, rule: "directory", at: "/sp-app/other", says: "another name"},
		{name: "second domain", key: "d//domain/other.example", new: "of d//domain/", put: true, rule: "directory", at: "d//domain/other", says: "another name"},
		{name: "second record of the administrator", key: "m/admin2", new: `{"v":1}`, put: true, rule: "record", at: "m/admin2", says: "knows no such kind"},
		{name: "second format", key: "m/formatted", new: `{"v":1}`, put: true, rule: "record", at: "m/formatted", says: "knows no such kind"},
		{name: "count of management groups", key: "mgt/", old: `"groups":`, new: `"groups":1`, rule: "management-group", at: "mgt/", says: "there are"},
		{name: "uncounted management group", key: "mgt/", rule: "management-group", at: "mg/", says: "the hierarchy"},
		{name: "host under another key", key: "h/host/", old: `"id":"`, new: `"id":"0`, rule: "host", at: "h/host/", says: "another key"},
		{name: "host without a resource", key: "h/host/", old: `"resource":"`, new: `"resource":"x`, rule: "host", at: "h/host/"},
		{name: "enrollment token of nothing", key: "h/invitation/x", new: `{"v":1,"resource":"x","ends":"2999-01-01T00:00:00Z"}`, put: true, rule: "host", at: "h/invitation/x"},
		{name: "signing key under another name", key: "k/x", new: `{"v":1,"kid":"y","sealed":"eA=="}`, put: true, rule: "signing-key", at: "k/x", says: `"y"`},
		{name: "empty signing key", key: "k/x", new: `{"v":1,"kid":"x"}`, put: true, rule: "signing-key", at: "k/x", says: "no key"},
		{name: "installation without keys", key: "m/installation", new: `{"v":1,"id":"x"}`, put: true, rule: "installation", at: "m/installation", says: "store key"},
		{name: "authority without an installation", key: "m/authority/other", new: `{"v":1,"sealed":"eA=="}`, put: true, rule: "installation", at: "m/authority/other", says: "installation"},
		{name: "empty authority", key: "m/authority/other", new: `{"v":1}`, put: true, rule: "installation", at: "m/authority/other", says: "no key"},
		{name: "code without an expiry entry", key: "d/{t}/code/x", new: `{"v":1,"expires":"2999-01-01T00:00:00Z"}`, put: true, rule: "expiry", at: "/code/x", says: "expiry index"},
		{name: "session without an expiry entry", key: "d/{t}/session/x", new: `{"v":1,"expires":"2999-01-01T00:00:00Z"}`, put: true, rule: "expiry", at: "/session/x", says: "expiry index"},
		{name: "used assertion without an expiry entry", key: "d/{t}/assertion/x", new: `{"v":1,"expires":"2999-01-01T00:00:00Z"}`, put: true, rule: "expiry", at: "/assertion/x", says: "expiry index"},
		{name: "expiry left", key: "d//expiry/00000000000000000001/d/t/code/x", new: `{"v":1}`, put: true, rule: "expired", at: "d//expiry/", says: "due"},
		{name: "code left", key: "d/{t}/code/x", new: `{"v":1,"expires":"2020-01-01T00:00:00Z"}`, put: true, rule: "expired", at: "/code/", says: "ended"},
		{name: "enrollment token left", key: "h/invitation/x", new: `{"v":1,"resource":"/subscriptions/x","ends":"2020-01-01T00:00:00Z"}`, put: true, rule: "expired", at: "h/invitation/x", says: "ended"},
	}
}

// apply breaks the invariant and returns what undoes it.
func (b breakage) apply(t *testing.T, st store.Store) (undo func()) {
	t.Helper()
	all := records(t, st)
	var tenant, subscription string
	for key := range all {
		if rest, found := strings.CutPrefix(key, "d//tenant/"); found {
			tenant = rest
		}
		if rest, found := strings.CutPrefix(key, "lc/"); found {
			subscription = rest
		}
	}
	ids := strings.NewReplacer("{t}", tenant, "{s}", subscription)
	key := ids.Replace(b.key)
	if !b.put {
		keys := []string{}
		for k, v := range all {
			prefixed := strings.HasPrefix(k, key) || strings.HasPrefix(key, "/") && strings.Contains(k, key)
			if prefixed && strings.Contains(v, b.old) {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		if len(keys) == 0 {
			t.Fatalf("no record has %q", key)
		}
		key = keys[0]
	}
	if of, copied := strings.CutPrefix(b.new, "of "); copied { // the value of the first such record
		for _, k := range slices.Sorted(maps.Keys(all)) {
			if strings.Contains(k, of) {
				b.new = all[k]
				break
			}
		}
	}
	before, existed := all[key]
	write(t, st, func(tx store.Tx) {
		switch {
		case b.put:
			tx.Put(key, []byte(ids.Replace(b.new)))
		case b.new == "" && b.rule != "record":
			tx.Delete(key)
		default:
			tx.Put(key, []byte(strings.Replace(before, b.old, b.new, 1)))
		}
	})
	return func() {
		write(t, st, func(tx store.Tx) {
			if existed {
				tx.Put(key, []byte(before))
			} else {
				tx.Delete(key)
			}
		})
	}
}

func write(t *testing.T, st store.Store, fn func(store.Tx)) {
	t.Helper()
	if _, err := st.Update(context.Background(), func(tx store.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestAStoreOfAServerIsConsistent(t *testing.T) {
	st := golden(t)
	for _, f := range run(t, st, time.Now()) {
		t.Errorf("%+v", f)
	}
	if before, after := records(t, st), records(t, st); len(before) != len(after) {
		t.Error("the check has changed the store")
	}
}

func TestEveryBrokenInvariantIsFound(t *testing.T) {
	st := golden(t)
	for _, b := range breakages() {
		t.Run(b.name, func(t *testing.T) {
			undo := b.apply(t, st)
			defer undo()
			broken := records(t, st)
			found := run(t, st, time.Now())
			if !slices.ContainsFunc(found, func(f check.Finding) bool {
				return f.Rule == b.rule && strings.Contains(f.Key, b.at) && strings.Contains(f.Message, b.says) && (b.at == "" || f.Key != "")
			}) {
				t.Errorf("found %+v", found)
			}
			for key, value := range records(t, st) {
				if broken[key] != value {
					t.Errorf("the check has changed %s", key)
				}
			}
		})
	}
	if left := run(t, st, time.Now()); len(left) != 0 {
		t.Errorf("a case was not undone: %+v", left)
	}
}

// TestExpiredRecordsOfAStoppedServerAreNoFinding opens the store years later.
func TestExpiredRecordsOfAStoppedServerAreNoFinding(t *testing.T) {
	if found := run(t, golden(t), time.Now().AddDate(10, 0, 0)); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}
