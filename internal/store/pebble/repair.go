package pebble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"midas/internal/store"
)

// Parameters of the repair after a failed write.
const (
	firstRetry = 250 * time.Millisecond // pause after a failure; it doubles up to lastRetry
	lastRetry  = 15 * time.Second

	// probeBytes must be free on the disk before the engine opens the database for writing again. Opening
	// needs at least as much, and the reserve avoids that the next write fails again.
	probeBytes = 8 << 20
	probeFile  = "PROBE"

	// The process ends if a commit is blocked in Pebble for stuckAfter after a failure, or if more than
	// mostRetired failed generations wait to be closed.
	stuckAfter  = 30 * time.Second
	mostRetired = 8

	repeatLog = 5 * time.Minute
)

// Failure returns the reason why the engine accepts no writes at the moment, or nil if it accepts them.
func (e *Engine) Failure() error {
	if cause := e.failed.Load(); cause != nil {
		return *cause
	}
	return e.gen.Load().failure()
}

// Failures returns how many failed writes have made the engine open the database again.
func (e *Engine) Failures() uint64 { return e.failures.Load() }

// unavailable returns the error of a refused write.
func (e *Engine) unavailable(cause error) error {
	return fmt.Errorf("store in %s: %w: %w", e.name, store.ErrUnavailable, cause)
}

// broke is called by a fence when a write has failed.
func (e *Engine) broke() {
	select {
	case e.broken <- struct{}{}:
	default: // watchOver has not handled the previous signal yet
	}
}

// watchOver repairs the engine each time a write has failed, until Close.
func (e *Engine) watchOver() {
	defer close(e.ended)
	for {
		select {
		case <-e.stop:
			return
		case <-e.broken:
			e.repair(e.gen.Load())
		}
	}
}

// repair first opens the database for reading, so that reads see the state on the disk, and then for writing,
// as soon as the disk accepts writes again.
func (e *Engine) repair(failed *generation) {
	cause := failed.broken()
	if cause == nil {
		return // the signal came from an opening that did not succeed
	}
	e.failed.Store(&cause)
	e.failures.Add(1)
	e.logError("store: a write has failed, so writes are refused until there is room again; reads go on", cause)
	e.lockOrDie()
	e.commits.Unlock() // no commit is running any more, and later commits see the failure
	shown, logged, began := false, time.Now(), time.Now()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		if !shown {
			shown = e.readOnly(failed) == nil
		}
		err := e.probe()
		if err == nil {
			err = e.reopen(failed)
		}
		if err == nil {
			e.failed.Store(nil)
			e.log("store: writes are accepted again", "after", time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(logged) > repeatLog {
			logged = time.Now()
			e.logError("store: writes are still refused", err)
		}
		select {
		case <-e.stop:
			return
		case <-time.After(wait):
		}
	}
}

// lockOrDie takes the lock of commits. A commit can hold it forever, if Pebble waits for a flush that cannot
// end. In that case the process ends, because only a new process can recover.
func (e *Engine) lockOrDie() {
	for end := time.Now().Add(stuckAfter); !e.commits.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			e.die("a write failed and another one is blocked")
		}
	}
}

// die ends the process with a reason, so that a supervisor starts another. All acknowledged writes are on the
// disk.
func (e *Engine) die(why string) {
	logger{log: e.options.Log}.Fatalf("the store in %s cannot go on in this process: %s", e.name, why)
}

// readOnly opens the database for reading, which needs no disk space. It replaces the failed generation, whose
// commits that are not on the disk are lost.
func (e *Engine) readOnly(failed *generation) error {
	e.syncLogs()
	opts := databaseOptions(e.options)
	opts.FS, opts.ReadOnly = e.base, true
	db, err := openDatabase(e.name, opts, nil)
	if err != nil {
		return err
	}
	head, err := readHead(db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	g := newGeneration(db, nil, head)
	g.readOnly = true
	e.replace(failed, g, head)
	return nil
}

// syncLogs syncs the logs, because reads are about to show their content. It ignores errors.
func (e *Engine) syncLogs() {
	names, err := e.base.List(e.name)
	if err != nil {
		return
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		if f, err := e.base.Open(e.base.PathJoin(e.name, name)); err == nil {
			_ = f.Sync()
			_ = f.Close()
		}
	}
}

// replace makes g the current generation and retires the old one. kept is the newest revision on the disk.
func (e *Engine) replace(old, g *generation, kept store.Revision) {
	if old.kept.Load() == 0 {
		old.kept.Store(uint64(kept) + 1)
	}
	e.lost = append(e.lost, e.feed.keep(kept)...) // keep also wakes all waits of the feed
	was := e.gen.Swap(g)
	if was.fence != nil {
		was.fence.release() // so that readers of the old generation do not wait for blocked writes
	}
	was.release()
	e.retired = slices.DeleteFunc(append(e.retired, was), func(r *generation) bool {
		select {
		case <-r.closed:
			return true
		default:
			return false
		}
	})
	if len(e.retired) > mostRetired {
		e.die("writes have failed many times, and too many failed openings of the database cannot be closed")
	}
}

// probe checks whether the disk has enough free space. It writes a file of that size and removes it.
func (e *Engine) probe() error {
	size := probeBytes
	names, err := e.base.List(e.name)
	if err != nil {
		return err
	}
	for _, file := range names {
		if strings.HasSuffix(file, ".log") { // opening writes the content of the log again, as tables
			if info, err := e.base.Stat(e.base.PathJoin(e.name, file)); err == nil {
				size += int(info.Size())
			}
		}
	}
	name := e.base.PathJoin(e.name, probeFile)
	f, err := e.base.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for n := 0; n < size && err == nil; n += len(block) {
		_, err = f.Write(block)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), e.base.Remove(name))
}

// reopen opens the database for writing. It replaces the lost commits by one commit that undoes them, so that
// no revision has two meanings: a reader that has seen a lost value sees another change of the key.
func (e *Engine) reopen(failed *generation) error {
	e.commits.Lock()
	defer e.commits.Unlock()
	g, head, err := e.openGeneration()
	if err != nil {
		if e.abandoned++; e.abandoned > mostRetired {
			e.die("opening it again has failed many times: " + err.Error())
		}
		return err
	}
	e.abandoned = 0
	if failed.kept.Load() == 0 {
		failed.kept.Store(uint64(head) + 1)
	}
	e.lost = append(e.lost, e.feed.keep(head)...)
	if head != e.newest || len(e.lost) > 0 {
		err = e.undo(g, head)
	}
	if err == nil {
		err = g.broken()
	}
	if err != nil {
		g.release()
		return err
	}
	g.begun.Store(uint64(e.newest))
	g.applied.Store(uint64(e.newest))
	e.replace(failed, g, e.newest)
	return nil
}

// undo writes the values on the disk of all keys that lost commits have written, as the next revision.
func (e *Engine) undo(g *generation, head store.Revision) error {
	next := max(e.newest, head) + 1 // an earlier attempt may have reached the disk
	slices.Sort(e.lost)
	e.lost = slices.Compact(e.lost)
	var writes []store.Write
	for _, key := range e.lost {
		rec, err := get(g.db, dataKey(nil, key), key)
		switch {
		case err == nil:
			writes = append(writes, store.Write{Key: key, Value: rec.Value})
		case errors.Is(err, store.ErrNotFound):
			writes = append(writes, store.Write{Key: key, Delete: true})
		default:
			return err
		}
	}
	batch := g.db.NewBatch()
	defer batch.Close()
	if err := fill(batch, next, writes); err != nil {
		return err
	}
	if err := g.db.Apply(batch, pdb.Sync); err != nil {
		return err
	}
	if err := g.broken(); err != nil {
		return err
	}
	for e.newest < next {
		e.newest++
		var made []store.Write
		if e.newest == next {
			made = writes
		}
		if e.onCommit != nil {
			e.onCommit(e.newest, made)
		}
		e.feed.append(e.newest, made)
	}
	e.lost = nil
	return nil
}

func (e *Engine) logError(text string, cause error) {
	if e.options.Log != nil {
		e.options.Log.ErrorContext(context.Background(), text, "store", e.name, "cause", cause)
	}
}

func (e *Engine) log(text string, args ...any) {
	if e.options.Log != nil {
		e.options.Log.InfoContext(context.Background(), text, append([]any{"store", e.name}, args...)...)
	}
}

// removeProbe removes the file of a probe during which the process was killed.
func removeProbe(dir string) { _ = os.Remove(filepath.Join(dir, probeFile)) }
