package token_test

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/retention"
)

// TestKeyMadeByAWrongClockIsReplaced starts first with a clock that is years ahead. The key of that start
// signs until there is another one, its tokens stay valid, and then keys are rotated normally.
func TestKeyMadeByAWrongClockIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var ahead atomic.Int64
		f.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		f.cfg.RotateEvery, f.cfg.PublishBefore, f.cfg.MaxTokenLifetime = 4*time.Hour, time.Hour, time.Hour
		if err := empty(t, f.store); err != nil {
			t.Fatal(err)
		}
		ahead.Store(int64(5 * 365 * 24 * time.Hour))
		stray := f.open(t).Signer()
		ahead.Store(0)
		k := f.open(t)
		ctx, stop := contextWithStop(t)
		var run sync.WaitGroup
		run.Go(func() { _ = k.Run(ctx) })
		if k.Signer() != stray {
			t.Error("another key signs")
		}
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		if k.Signer() == stray {
			t.Error("the key of the wrong date still signs after an hour and a half")
		}
		if n := len(published(k)); n != 2 {
			t.Errorf("%d keys are published while tokens of the first may be valid, want 2", n)
		}
		signers := map[string]bool{}
		for range 24 {
			time.Sleep(time.Hour)
			synctest.Wait()
			signers[k.Signer()] = true
			for _, kid := range published(k) {
				if kid == stray && len(signers) > 1 {
					t.Fatal("the key of the wrong date is still published")
				}
			}
		}
		if len(signers) < 5 {
			t.Errorf("%d keys have signed within a day", len(signers))
		}
		stop()
		run.Wait()
	})
}

// TestKeysDoNotChangeWhileTheClockIsWrong checks that keys are neither created nor removed by age while
// package retention reports that the clock may be wrong.
func TestKeysDoNotChangeWhileTheClockIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		var ahead atomic.Int64
		begin := time.Now()
		f.cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		f.cfg.RotateEvery, f.cfg.PublishBefore, f.cfg.MaxTokenLifetime = 4*time.Hour, time.Hour, time.Hour
		if err := empty(t, f.store); err != nil {
			t.Fatal(err)
		}
		var err error
		f.cfg.Retention, err = retention.Open(t.Context(), retention.Config{
			Store: f.store, Now: f.cfg.Now, Uptime: func() time.Duration { return time.Since(begin) }, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		k := f.open(t)
		first := k.Signer()
		ctx, stop := contextWithStop(t)
		var run sync.WaitGroup
		run.Go(func() { _ = k.Run(ctx) })
		ahead.Store(int64(5 * 365 * 24 * time.Hour))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		ahead.Store(0)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := published(k); len(got) != 1 || got[0] != first {
			t.Errorf("the keys are %v, want %s alone", got, first)
		}
		stop()
		run.Wait()
	})
}
