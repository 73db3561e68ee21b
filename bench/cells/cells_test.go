package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// ofPage is the demand and the cell of docs/scaling.md, which are the defaults of the flags.
func ofPage() (demand, cell) {
	return demand{identities: 100_000_000, hosts: 1_000_000, tenants: 100_000, tokensPerHost: 3, refresh: 12 * time.Hour,
		certificates: 84 * time.Hour, churn: 0.01, recovery: 15 * time.Minute}, cell{replicas: 3, store: 8 * gib, memory: 8 * gib}
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestScalingPageHasTheOutput calculates the tables of docs/scaling.md from the figures in docs/benchmarks.md.
func TestScalingPageHasTheOutput(t *testing.T) {
	var out strings.Builder
	d, c := ofPage()
	if err := report(&out, page(t, "benchmarks.md"), d, c); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page(t, "scaling.md"), "```text\n"+out.String()+"```\n") {
		t.Errorf("docs/scaling.md does not have this output of go run ./bench/cells:\n%s", out.String())
	}
}

// TestFiguresCount changes inputs and expects the outputs to change with them.
func TestFiguresCount(t *testing.T) {
	d, c := ofPage()
	f := figures{signed: 1000, creates: 1000, etcd: 500, identity: 1 << 10, waiting: 32 << 10, perSecond: 10_000}
	if got := perCell(limits(f, d, c)); got != 12 { // 10^8 KiB in 8 GiB: 11.9
		t.Errorf("%d cells", got)
	}
	f.identity *= 2
	if got := perCell(limits(f, d, c)); got != 24 {
		t.Errorf("%d cells with records of double size", got)
	}
	f.identity = 1
	if first := byUse(limits(f, d, c))[0]; first.what != "memory for waiting hosts" || first.needed/first.capacity < 1.9 || first.needed/first.capacity > 2 {
		t.Errorf("%s is exhausted first: %v of %v", first.what, first.needed, first.capacity)
	}
	d.hosts = 1000
	if first := byUse(limits(f, d, c))[0]; first.what == "memory for waiting hosts" {
		t.Error("a thousand hosts exhaust the memory")
	}
}

// TestTenantsFitTheirCells checks that no placement needs fewer cells than the sums do, and that a tenant that is
// too large for a cell is reported.
func TestTenantsFitTheirCells(t *testing.T) {
	sizes := zipf(1000)
	before := 1 << 30
	for _, p := range placements {
		cells, fullest := p.needed(sizes, 0.25, 4)
		if cells < 4 || fullest > 0.25 || fullest < 1/float64(cells) {
			t.Errorf("%s: %d cells, the fullest has %.3f", p.name, cells, fullest)
		}
		if cells > before {
			t.Errorf("%s needs %d cells, the way before it %d", p.name, cells, before)
		}
		before = cells
	}
	d, c := ofPage()
	c.store = gib / 4
	var out strings.Builder
	if err := report(&out, page(t, "benchmarks.md"), d, c); err != nil || !strings.Contains(out.String(), "it does not fit into one") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestWrongInputsAreNamed has pages without a figure and demands that are not possible.
func TestWrongInputsAreNamed(t *testing.T) {
	d, c := ofPage()
	whole := page(t, "benchmarks.md")
	for _, row := range []string{"token by secret, cold,", "bytes on disk an identity,", "memory for a host that waits"} {
		err := report(&strings.Builder{}, strings.ReplaceAll(whole, "| "+row, "| other"), d, c)
		if err == nil || !strings.Contains(err.Error(), row) {
			t.Errorf("without %q: %v", row, err)
		}
	}
	if _, err := figure("| row | fast | |\n", "row"); err == nil {
		t.Error("a word is a figure")
	}
	c.replicas = 1
	if err := report(&strings.Builder{}, whole, d, c); err == nil {
		t.Error("a cell of one replica may lose one")
	}
}
