//go:build e2e && cluster

package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	leases "midas/internal/replica"
	"midas/internal/store"
	"midas/internal/store/etcd"
	"midas/internal/store/postgres"
)

// holderVariable has the URL of a store, in the environment of a process that does the work of a lease there.
const holderVariable = "MIDAS_FAULTS_HOLDER"

// workOfHolders has a record for each step of the work: work/HOLDER/STEP.
const workOfHolders = "work/"

// openShared opens a store as a replica does.
func openShared(ctx context.Context, url string) (store.Store, error) {
	var engine store.Shared
	var err error
	if location, ok := strings.CutPrefix(url, "etcd://"); ok {
		var c etcd.Config
		if c, err = etcd.Parse(location); err == nil {
			engine, err = etcd.Open(ctx, c, etcd.Options{})
		}
	} else {
		engine, err = postgres.Open(ctx, url, postgres.Options{})
	}
	if err != nil {
		return nil, err
	}
	return store.New(store.Cached(store.Follow(engine, store.FollowOptions{}), 1<<20), store.Options{}), nil
}

// runHolder does the work of a lease, until a step is refused. It prints a line for each step. Its steps heed no
// context, so that the guard alone decides about them: a process that was paused may reach its next step before any of
// its timers.
func runHolder(url string) error {
	st, err := openShared(context.Background(), url)
	if err != nil {
		return err
	}
	defer st.Close()
	id := fmt.Sprint(os.Getpid())
	lease := &leases.Lease{Store: st, Name: "paused", ID: id, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	return lease.Run(context.Background(), func(ctx context.Context) error {
		ctx = context.WithoutCancel(ctx)
		for n := 0; ; n++ {
			_, err := st.Update(ctx, func(tx store.Tx) error {
				tx.Put(fmt.Sprintf("%s%s/%d", workOfHolders, id, n), nil)
				return nil
			})
			switch {
			case err == nil:
				fmt.Println("done")
			case errors.Is(err, leases.ErrLost):
				fmt.Println("refused")
				return nil
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
}

// holder is a process that does the work of a lease.
type holder struct {
	cmd     *exec.Cmd
	log     *logBuffer
	done    atomic.Int64 // steps
	refused atomic.Bool
	ended   chan struct{}
}

func startHolder(t testing.TB, url string) *holder {
	t.Helper()
	h := &holder{cmd: exec.Command("/proc/self/exe"), log: new(logBuffer), ended: make(chan struct{})}
	h.cmd.Env = append(os.Environ(), holderVariable+"="+url)
	h.cmd.Stderr = h.log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := h.cmd.StdoutPipe()
	if err == nil {
		err = h.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == "refused" {
				h.refused.Store(true)
			} else {
				h.done.Add(1)
			}
		}
		_ = h.cmd.Wait() // what it has printed tells
		close(h.ended)
	}()
	t.Cleanup(func() {
		_ = h.cmd.Process.Kill()
		<-h.ended
		if t.Failed() {
			t.Logf("log of a holder: %s", last(h.log.String(), 2000))
		}
	})
	return h
}

// pauseHolder stops a process that holds a lease of a store of its own on the database, and starts another one. The
// returned function continues the first when the second has taken over, and checks that the next step of the first was
// refused.
func (x *trial) pauseHolder(url string) (resume func()) {
	x.Helper()
	first := startHolder(x, url)
	eventually(x, "a process holds the lease", func() bool { return first.done.Load() > 2 })
	_ = first.cmd.Process.Signal(syscall.SIGSTOP)
	second := startHolder(x, url)
	return func() {
		x.Helper()
		eventually(x, "another process takes the lease", func() bool { return second.done.Load() > 2 })
		before := first.done.Load()
		_ = first.cmd.Process.Signal(syscall.SIGCONT)
		eventually(x, "a step of the process that was paused is refused", func() bool { return first.refused.Load() })
		if more := first.done.Load() - before; more > 1 { // the answer to one step may come late
			x.Errorf("%d steps of the process that was paused have succeeded", more)
		}
		x.tookOver(url, fmt.Sprint(first.cmd.Process.Pid), fmt.Sprint(second.cmd.Process.Pid))
	}
}

// tookOver checks that all steps of one holder come before those of another one.
func (x *trial) tookOver(url, first, second string) {
	x.Helper()
	st, err := openShared(x.T.Context(), url)
	if err != nil {
		x.Fatal(err)
	}
	defer st.Close()
	var last, next store.Revision
	err = st.View(x.T.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{Prefix: workOfHolders}) {
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(rec.Key, workOfHolders+first+"/"):
				last = max(last, rec.Revision)
			case strings.HasPrefix(rec.Key, workOfHolders+second+"/") && (next == 0 || rec.Revision < next):
				next = rec.Revision
			}
		}
		return nil
	})
	if err != nil || last == 0 || next == 0 || last > next {
		x.Errorf("the last step of the holder before has revision %d, the first of the holder after it %d: %v", last, next, err)
	}
}
