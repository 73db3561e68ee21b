// Command bench compares Midas with programs that cannot be slower: a bare net/http server with TLS that
// answers the same request with as many bytes, and the storage engine alone. It measures both in one run, in
// turns, as processes of their own, and reports the ratio, because absolute numbers depend on the machine.
//
//	go run ./bench                    # the hot paths, about a minute
//	go run ./bench -scale 1000000     # a million identities in a thousand groups, some minutes
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"midas/internal/localca"
)

func main() {
	log.SetFlags(0)
	bare := flag.String("bare", "", "serve this file's bytes as the bare server (used by the program itself)")
	commit := flag.String("commit", "", "serve and commit what this file describes (used by the program itself)")
	cert := flag.String("cert", "", "the data folder whose CA the bare server uses; without it, it serves in clear")
	scale := flag.Int("scale", 0, "measure with so many identities instead")
	hosts := flag.Int("hosts", 0, "measure with so many machines instead")
	only := flag.String("only", "", "measure just these: start, get, token, metadata, cold, wrong, checkaccess, put, decide, exchange, durable, or one of etcd, postgres")
	binary := flag.String("binary", "", "measure this midas instead of building one")
	before := flag.String("before", "", "compare the hot paths with those of this binary of before, in turns, by processor time")
	rounds := flag.Int("rounds", 5, "how often each pair is measured; the median counts")
	flag.Parse()
	var err error
	switch {
	case *bare != "" || *commit != "":
		err = runBare(*bare, *commit, *cert, *rounds)
	case *before != "":
		err = withBench(*binary, *rounds, func(b *bench) error { return b.before(*before) })
	case *scale > 0:
		err = withBench(*binary, *rounds, func(b *bench) error { return b.scale(context.Background(), *scale) })
	case *hosts > 0:
		err = withBench(*binary, *rounds, func(b *bench) error { return b.hosts(*hosts) })
	default:
		err = withBench(*binary, *rounds, func(b *bench) error { return b.hotPaths(wanted(*only)) })
	}
	if err != nil {
		log.Fatalln("bench:", err)
	}
}

// wanted reads a list of parts; an empty one is all.
func wanted(list string) func(string) bool {
	names := strings.Split(list, ",")
	return func(name string) bool { return list == "" || slices.Contains(names, name) }
}

func runBare(body, commit, data string, rounds int) error {
	var cert *tls.Certificate
	if data != "" {
		ca, err := localca.Open(data, time.Now)
		if err != nil {
			return err
		}
		c, err := ca.Certificate("localhost")
		if err != nil {
			return err
		}
		cert = &c
	}
	if commit != "" {
		return serveCommitter(commit, cert, rounds)
	}
	return serveBare(body, cert)
}

// bench has the built binary and a folder for everything else.
type bench struct {
	binary, dir string
	rounds      int
}

// withBench builds the binary, unless there is one, and removes everything afterwards.
func withBench(binary string, rounds int, measure func(*bench) error) error {
	dir, err := os.MkdirTemp("", "midas-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{binary: binary, dir: dir, rounds: rounds}
	if binary == "" {
		b.binary = filepath.Join(dir, "midas")
		build := exec.Command("go", "build", "-trimpath", "-tags", buildTags, "-o", b.binary, "./cmd/midas")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	fmt.Println("| what | Midas | beside it | ratio |\n|---|--:|--:|--:|")
	return measure(b)
}
