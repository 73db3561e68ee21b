//go:build e2e && cluster

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// stage is to package servertest what a test is: it starts servers on it, which end with it.
type stage struct {
	testing.TB // has methods that servertest does not call

	folder   string
	folders  int
	cleanups []func()
}

// scene is what Fatal panics with.
type scene string

// onStage calls run with a stage, and ends what it has started. A fatal failure becomes an error.
func onStage(run func(*stage) error) (err error) {
	folder, err := os.MkdirTemp("", "midas-bench-servers-")
	if err != nil {
		return err
	}
	s := &stage{folder: folder}
	defer func() {
		failed := recover()
		for _, end := range slices.Backward(s.cleanups) {
			end()
		}
		err = errors.Join(err, os.RemoveAll(folder))
		if text, fatal := failed.(scene); fatal {
			err = errors.Join(errors.New(string(text)), err)
		} else if failed != nil {
			panic(failed)
		}
	}()
	return run(s)
}

// Helper implements testing.TB.
func (*stage) Helper() {}

// Fatal implements testing.TB.
func (*stage) Fatal(args ...any) { panic(scene(fmt.Sprint(args...))) }

// Fatalf implements testing.TB.
func (*stage) Fatalf(format string, args ...any) { panic(scene(fmt.Sprintf(format, args...))) }

// Failed implements testing.TB.
func (*stage) Failed() bool { return false }

// Cleanup implements testing.TB.
func (s *stage) Cleanup(end func()) { s.cleanups = append(s.cleanups, end) }

// TempDir implements testing.TB.
func (s *stage) TempDir() string {
	s.folders++
	dir := filepath.Join(s.folder, strconv.Itoa(s.folders))
	if err := os.Mkdir(dir, 0o755); err != nil {
		s.Fatal(err)
	}
	return dir
}
