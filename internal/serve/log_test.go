package serve

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// paper is the destination of a log. It counts the writes.
type paper struct {
	mu sync.Mutex
	bytes.Buffer
	writes int
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	return p.Buffer.Write(b)
}

func (p *paper) lines() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(p.String(), "\n")
}

func newPaper() (*slog.Logger, *lines, *paper) {
	p := &paper{}
	l := &lines{to: p}
	return slog.New(prompt{newHandler(l, LogOptions{}), l}).With("a", 1).WithGroup("g"), l, p
}

func TestLinesAreBufferedForFlushDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _, p := newPaper()
		for range 10 {
			log.Info("x", "b", 2)
		}
		if p.lines() != 0 {
			t.Errorf("%d lines are written at once, want none", p.lines())
		}
		time.Sleep(flushDelay)
		synctest.Wait()
		if p.lines() != 10 || p.writes != 1 {
			t.Errorf("%d lines in %d writes", p.lines(), p.writes)
		}
		log.Info("later")
		time.Sleep(flushDelay)
		synctest.Wait()
		if p.lines() != 11 {
			t.Errorf("a later line is not written: %s", p)
		}
	})
}

func TestWarningsFlushTheBufferedLines(t *testing.T) {
	log, _, p := newPaper()
	log.Info("before")
	log.Warn("now")
	if got := p.String(); p.lines() != 2 || !strings.Contains(got, "msg=now a=1") {
		t.Errorf("written: %q", got)
	}
}

func TestNoLineIsLost(t *testing.T) {
	log, l, p := newPaper()
	long := strings.Repeat("x", 1000)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				log.Info(long)
			}
		})
	}
	group.Wait()
	if p.writes == 0 {
		t.Error("nothing is written although the buffer is full")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	log.Info("after the end")
	if got := p.lines(); got != 801 {
		t.Errorf("%d lines, want 801", got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestBufferIsBoundedWhenWritingFails(t *testing.T) {
	l := &lines{to: broken{}}
	for range 3 {
		if _, err := l.Write(make([]byte, maxBuffered)); err == nil || len(l.buffer) != 0 {
			t.Errorf("%d bytes are kept, %v", len(l.buffer), err)
		}
	}
}
