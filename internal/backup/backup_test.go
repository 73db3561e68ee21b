package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"midas/internal/backup"
	"midas/internal/store"
	"midas/internal/store/backuptest"
	"midas/internal/store/pebble"
)

func memory(t *testing.T) store.Store {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(store.Cached(engine, 1<<20), store.Options{})
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func put(t *testing.T, st store.Store, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put(pairs[i], []byte(pairs[i+1])); return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// content returns all records except those about the restore.
func content(t *testing.T, st store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := st.View(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if rec.Key != store.RestoredKind.Keys {
				all[rec.Key] = string(rec.Value)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func write(t *testing.T, st store.Store) []byte {
	t.Helper()
	var file bytes.Buffer
	h := backup.Header{Program: "v1.0.0", Created: created, MasterKey: "0123456789abcdef"}
	if err := backup.Write(t.Context(), st, false, h, &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// filled returns a store with more records than one transaction may write, and with values of all sizes.
func filled(t *testing.T) store.Store {
	t.Helper()
	st := memory(t)
	if err := store.Claim(t.Context(), st, "v1.0.0"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		put(t, st, fmt.Sprintf("r/big%d", i), `{"v":2,"x":"`+strings.Repeat("x", store.MaxValue-100)+`"}`)
	}
	for i := range 350 {
		put(t, st, fmt.Sprintf("t/type/%04d", i), fmt.Sprintf("/resource/%d\x00\xff", i))
	}
	put(t, st, "k/one", `{"v":1}`, "h/host/a\x00b", `{"v":1}`, "h/invitation/x", `{"v":1}`, "d/t/rt/f", `{"v":2}`,
		"d//expiry/00000000000000000001/d/t/rt/f", `{"v":1}`, "d//expiry/00000000000000000001/d/t/familiar/f", `{"v":1}`, "d/t/familiar/f", `{"v":1}`)
	return st
}

func restoreInto(t *testing.T, st store.Store, file []byte, o backup.Options) error {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = created.Add(time.Minute)
	}
	_, err := backup.Restore(t.Context(), st, bytes.NewReader(file), o)
	return err
}

func TestRestoreGivesTheSameRecords(t *testing.T) {
	from, to := filled(t), memory(t)
	if err := restoreInto(t, to, write(t, from), backup.Options{}); err != nil {
		t.Fatal(err)
	}
	want, got := content(t, from), content(t, to)
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%q differs", key)
		}
	}
	if err := store.Claim(t.Context(), to, "v1.0.0"); err != nil {
		t.Errorf("no server starts on the restored store: %v", err)
	}
	if err := restoreInto(t, to, write(t, from), backup.Options{}); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("a second restore into the same store: %v", err)
	}
}

// TestEveryFlippedBitAndEveryTruncationIsRefused changes a small backup at every position.
func TestEveryFlippedBitAndEveryTruncationIsRefused(t *testing.T) {
	from := memory(t)
	put(t, from, "r/a", `{"v":2}`, "t/b", "/r/a")
	file := write(t, from)
	refused := func(what string, damaged []byte) {
		t.Helper()
		to := memory(t)
		if err := restoreInto(t, to, damaged, backup.Options{}); !errors.Is(err, backup.ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
		if got := content(t, to); len(got) != 0 {
			t.Errorf("%s: has written %v", what, got)
		}
	}
	for i := range file {
		refused(fmt.Sprintf("truncated at %d", i), file[:i])
		flipped := bytes.Clone(file)
		flipped[i] ^= 1 << (i % 8)
		refused(fmt.Sprintf("flipped at %d", i), flipped)
	}
	refused("trailing data", append(bytes.Clone(file), 0))
	refused("two backups", append(bytes.Clone(file), file...))
	refused("an endless line", bytes.Repeat([]byte("{"), 1<<20))
}

func TestRecordsThatThisMidasCannotReadAreRefusedBeforeTheFirstWrite(t *testing.T) {
	for name, c := range map[string]struct {
		key, value string
		want       error
	}{
		"unknown kind":      {"zz/new", `{"v":1}`, store.ErrUnknownKind},
		"unknown directory": {"d/t/new/x", `{"v":1}`, store.ErrUnknownKind},
		"newer record":      {"r/x", `{"v":99}`, store.ErrNewerVersion},
		"newer format":      {"m/format", `{"v":1,"format":99,"versions":{},"program":"v9"}`, store.ErrNewerVersion},
		"newer kind":        {"m/format", `{"v":1,"format":1,"versions":{"resource":99},"program":"v9"}`, store.ErrNewerVersion},
		"not JSON":          {"r/x", `{"v":2`, backup.ErrFormat},
		"no version":        {"r/x", `{}`, backup.ErrFormat},
	} {
		from, to := memory(t), memory(t)
		put(t, from, "a/first", "x", c.key, c.value)
		err := restoreInto(t, to, write(t, from), backup.Options{})
		if !errors.Is(err, c.want) || !errors.Is(err, backup.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		if got := content(t, to); len(got) != 0 {
			t.Errorf("%s: has written %v", name, got)
		}
	}
}

func TestKeysOutOfOrderAreRefused(t *testing.T) {
	from := memory(t)
	put(t, from, "t/a", "x", "t/b", "y")
	file := write(t, from)
	file = bytes.Replace(file, []byte("t/b"), []byte("t/a"), 1) // twice the same key
	err := restoreInto(t, memory(t), file, backup.Options{})
	if !errors.Is(err, backup.ErrFormat) || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
}

// TestNoServerStartsDuringARestore checks it also for a version that knows no RestoringKind.
func TestNoServerStartsDuringARestore(t *testing.T) {
	file, to := write(t, filled(t)), memory(t)
	stop, cancel := context.WithCancel(t.Context())
	reads := 0
	_, err := backup.Restore(stop, to, bytes.NewReader(file), backup.Options{Now: created, Progress: func(backup.Summary) {
		if reads++; reads == 2 { // all is read a second time, but not finished
			cancel()
		}
	}})
	if err == nil {
		t.Fatal("the restore was not interrupted")
	}
	if err := store.Claim(t.Context(), to, "v1.0.0"); !errors.Is(err, store.ErrRestoring) {
		t.Errorf("this version starts: %v", err)
	}
	if got := content(t, to)["m/format"]; !strings.Contains(got, `"format":1073741824`) {
		t.Errorf("an older version starts, the format is %s", got)
	}
	var out bytes.Buffer
	if err := backup.Write(t.Context(), to, false, backup.Header{}, &out); !errors.Is(err, store.ErrRestoring) {
		t.Errorf("it can be backed up: %v", err)
	}
	put(t, to, "r/left", `{"v":2}`)
	if err := restoreInto(t, to, file, backup.Options{}); err != nil {
		t.Fatalf("the same restore does not go on: %v", err)
	}
	if err := store.Claim(t.Context(), to, "v1.0.0"); err != nil {
		t.Error(err)
	}
}

func TestAnotherFileBeginsTheRestoreAnew(t *testing.T) {
	to := memory(t)
	if _, err := store.BeginRestore(t.Context(), to, "another", created); err != nil {
		t.Fatal(err)
	}
	for i := range 250 {
		put(t, to, fmt.Sprintf("r/left%d", i), `{"v":2}`)
	}
	from := filled(t)
	if err := restoreInto(t, to, write(t, from), backup.Options{}); err != nil {
		t.Fatal(err)
	}
	if want, got := content(t, from), content(t, to); len(got) != len(want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

func TestAReplacedRestoreWritesNothingMore(t *testing.T) {
	to := memory(t)
	first, err := store.BeginRestore(t.Context(), to, "first", created)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.BeginRestore(t.Context(), to, "second", created); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Update(t.Context(), first.Guard); !errors.Is(err, store.ErrRestoreReplaced) {
		t.Error(err)
	}
	if err := first.Finish(t.Context(), nil, store.Restored{}); !errors.Is(err, store.ErrRestoreReplaced) {
		t.Error(err)
	}
}

func TestEndTokensLeavesOutWhatProvesThatATokenIsGood(t *testing.T) {
	to := memory(t)
	if err := restoreInto(t, to, write(t, filled(t)), backup.Options{EndTokens: true}); err != nil {
		t.Fatal(err)
	}
	got := content(t, to)
	for _, key := range []string{"k/one", "h/invitation/x", "d/t/rt/f", "d//expiry/00000000000000000001/d/t/rt/f"} {
		if _, there := got[key]; there {
			t.Errorf("%s is there", key)
		}
	}
	for _, key := range []string{"h/host/a\x00b", "d/t/familiar/f", "d//expiry/00000000000000000001/d/t/familiar/f"} {
		if _, there := got[key]; !there {
			t.Errorf("%s is missing", key)
		}
	}
}

// TestVersionsForOthersGrowOverRestores checks the base of versions, with clocks that go backwards too.
func TestVersionsForOthersGrowOverRestores(t *testing.T) {
	from, last := filled(t), store.Revision(0)
	for _, at := range []time.Time{created, created.Add(time.Second), created.Add(-time.Hour), {}} {
		to := memory(t)
		if err := restoreInto(t, to, write(t, from), backup.Options{Now: at.Add(time.Nanosecond)}); err != nil {
			t.Fatal(err)
		}
		var base store.Revision
		if err := to.View(t.Context(), func(tx store.Tx) (err error) { base, err = store.RevisionBase(tx); return err }); err != nil {
			t.Fatal(err)
		}
		if base <= last || base > 1<<53 {
			t.Errorf("base %d after %d", base, last)
		}
		from, last = to, base
	}
}

func TestBackupShowsOneRevision(t *testing.T) {
	st := memory(t)
	put(t, st, "r/0", `{"v":2}`, "r/1", `{"v":2}`)
	file := &meddling{do: func() { put(t, st, "r/2", `{"v":2}`) }}
	for i := range 200 { // so that it is written in several parts
		put(t, st, fmt.Sprintf("o/%04d", i), `{"v":1,"x":"`+strings.Repeat("x", 2000)+`"}`)
	}
	if err := backup.Write(t.Context(), st, false, backup.Header{}, file); err != nil {
		t.Fatal(err)
	}
	to := memory(t)
	if err := restoreInto(t, to, file.Bytes(), backup.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, there := content(t, to)["r/2"]; there || !file.done {
		t.Error("the backup has a record of a later revision")
	}
}

// meddling writes to the store after the first part of a backup.
type meddling struct {
	bytes.Buffer
	do   func()
	done bool
}

func (m *meddling) Write(p []byte) (int, error) {
	if !m.done {
		m.done = true
		m.do()
	}
	return m.Buffer.Write(p)
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"midas":"backup","format":1}` + "\n\x01a\x01b\x00\x01\x01"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var copied bytes.Buffer
		if _, err := backup.Copy(&copied, bytes.NewReader(file), nil); err == nil && !bytes.Equal(copied.Bytes(), file) {
			t.Error("the copy differs")
		}
	})
}

// followed is an engine that a store follows as if other processes wrote it too.
type followed struct {
	store.Engine
	head func() store.Revision
}

func (e followed) Newest(context.Context) (store.Revision, error) { return e.head(), nil }

func TestBackupUnderWritesShowsOneRevision(t *testing.T) {
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	feed := store.Follow(followed{engine, engine.Head}, store.FollowOptions{})
	st := store.New(store.Cached(feed, 1<<20), store.Options{})
	t.Cleanup(func() { _ = st.Close() })
	backuptest.UnderWrites(t, st, func() {})
}

// TestBackupsOfFormat1AreRead reads a file that has no changes.
func TestBackupsOfFormat1AreRead(t *testing.T) {
	body := `{"midas":"backup","format":1,"masterKey":"0a"}` + "\n\x03t/a\x01b\x00\x01\x01"
	sum := sha256.Sum256([]byte(body))
	to := memory(t)
	if err := restoreInto(t, to, append([]byte(body), sum[:]...), backup.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, to); len(got) != 1 || got["t/a"] != "b" {
		t.Errorf("%v", got)
	}
}

// keptKinds are the kinds that every restore writes. A used client assertion is among them, because it would be good
// again without its record.
func keptKinds() []store.Kind {
	return []store.Kind{
		store.AssociationIndex, store.DenyAssignmentKind, store.DenyAssignmentCount, store.AdministratorsKind, store.AppKind,
		store.AppIDIndex, store.AppURIIndex, store.AppRoleKind, store.AppRoleToIndex, store.AssertionKind, store.DomainIndex,
		store.ExpiryIndex, store.FamiliarKind, store.GroupKind, store.MemberIndex, store.MemberOfIndex, store.OwnerIndex,
		store.OwnerOfIndex, store.PermissionGrantKind, store.GrantAllIndex, store.GrantClientIndex, store.GrantResourceIndex,
		store.GrantUserIndex, store.DirectoryRoleIndex, store.DirectoryRoleOfIndex, store.PrincipalKind, store.PrincipalAppIndex,
		store.TenantKind, store.UserKind, store.UserNameIndex, store.UnlinkKind, store.AssignmentByPrincipalIndex, store.HostKind,
		store.ResourceIdentityKind, store.LockCount, store.LockKind, store.AdminKind, store.AuthorityKind, store.ClockKind,
		store.FormatKind, store.InstallationKind, store.RestoredKind, store.RestoringKind, store.SecretsRemovedKind,
		store.ManagementGroupKind, store.ManagementChildIndex, store.SubscriptionPlaceKind, store.ManagementTreeKind,
		store.OperationKind, store.ResourceKind, store.RoleAssignmentIndex, store.ImportedRolesKind, store.CustomRoleKind,
		store.RoleNameIndex, store.RoleCount, store.RoleUseCount, store.RevocationKind, store.RevocationListKind,
		store.AssignmentKind, store.AssignmentCount, store.AssignmentIndex, store.SubscriptionAliasKind, store.AliasCountKind,
		store.PredefinedTagsKind, store.TypeIndex, store.EventKind, store.RefusalKind,
	}
}

// TestRestoresHaveDecidedAboutEveryKind fails for a new kind: decide whether a restore with --tokens end, or every
// restore, leaves it out, because a record of it lets somebody do something once.
func TestRestoresHaveDecidedAboutEveryKind(t *testing.T) {
	for _, kind := range store.Kinds() {
		decisions := 0
		for _, of := range [][]store.Kind{keptKinds(), backup.EndedKinds(), backup.RunningKinds()} {
			if slices.Contains(of, kind) {
				decisions++
			}
		}
		if decisions != 1 {
			t.Errorf("%s (%s): %d decisions", kind.Name, kind.Keys, decisions)
		}
	}
}

func TestRestoreLeavesOutWhatRuns(t *testing.T) {
	from, to := memory(t), memory(t)
	put(t, from, "jb/background", `{"v":1}`, "rp/x", `{"v":1}`, "d/t/assertion/x", `{"v":1}`)
	if err := restoreInto(t, to, write(t, from), backup.Options{EndTokens: true}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, to); len(got) != 1 || got["d/t/assertion/x"] == "" {
		t.Errorf("%v", got)
	}
}

// full is a Writer to a full disk.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("write /backup/x: no space left on device")
	}
	return len(p), nil
}

// TestAFullDiskIsNoErrorOfReading copies a backup to a disk that is full at the beginning, in the middle and at the end.
func TestAFullDiskIsNoErrorOfReading(t *testing.T) {
	file := write(t, filled(t))
	for _, room := range []int{0, len(file) / 2, len(file) - 1} {
		_, err := backup.Copy(&full{room}, iotest.OneByteReader(bytes.NewReader(file)), nil)
		if err == nil || err.Error() != "write /backup/x: no space left on device" {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
	if _, err := backup.Copy(&full{len(file)}, bytes.NewReader(file), nil); err != nil {
		t.Error(err)
	}
}

// TestForgedHeadersControlNoTerminal has headers whose texts would control a terminal, or fake a line.
func TestForgedHeadersControlNoTerminal(t *testing.T) {
	for _, header := range []string{
		`{"midas":"backup","format":99,"program":"\u001b[31m\nmidas: restored"}`,
		`{"midas":"backup","format":2,"masterKey":"\u001b[31m\nmidas: restored"}`,
	} {
		_, err := backup.NewReader(strings.NewReader(header + "\n"))
		if !errors.Is(err, backup.ErrFormat) || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %v", header, err)
		}
	}
}

// TestDamagedBeginningsAreSaidInWords has files that are damaged before and after their first key, and one with a key
// twice.
func TestDamagedBeginningsAreSaidInWords(t *testing.T) {
	const first = `{"midas":"backup","format":2,"masterKey":"00"}` + "\n"
	for file, says := range map[string]string{
		first + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": "it is damaged after its first line",
		first + "\x03": "it is damaged after its first line",
		first + "\x0ck/a\x07" + `{"v":1}` + "\x0c\x0c\xff\xff\xff":        "is not after",
		first + "\x0ck/a\x07" + `{"v":1}` + "\xff\xff\xff\x0c":            `it is damaged after the key "k/a"`,
		first + strings.Repeat("\x0ck/a\x07"+`{"v":1}`, 2):                `it has the key "k/a" twice`,
		first + "\x0ck/a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + `{"v":1}`: `it is damaged after the key "k/a"`,
		first + "\x0ck/a\x80\x80\x40x":                                    "it is truncated",
		strings.Repeat("x", 1<<20):                                        "it is no backup of Midas",
		`{"midas":"backup","format":1e400}` + "\n":                        "it is no backup of Midas",
		`{"midas":"backup","format":0}` + "\n":                            "it has no format",
	} {
		_, err := backup.Copy(io.Discard, strings.NewReader(file), nil)
		if !errors.Is(err, backup.ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.80q: %v, want %q", file, err, says)
		}
	}
}
