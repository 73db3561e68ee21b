package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// placement chooses the cell of the next tenant.
type placement struct {
	name   string
	choose func(r *rand.Rand, loads []float64) int
}

// placements are ways to spread tenants. The first needs no record of where a tenant is.
var placements = []placement{
	{"by a hash of the tenant's id", func(r *rand.Rand, loads []float64) int { return r.IntN(len(loads)) }},
	{"the emptier of two", func(r *rand.Rand, loads []float64) int {
		a, b := r.IntN(len(loads)), r.IntN(len(loads))
		if loads[b] < loads[a] {
			return b
		}
		return a
	}},
	{"the emptiest", func(_ *rand.Rand, loads []float64) int {
		return slices.Index(loads, slices.Min(loads))
	}},
}

// spread simulates tenants that come in a random order. A tenant is in one cell, with all its identities and hosts, and its part
// of everything is that of its identities.
func spread(w io.Writer, f figures, d demand, c cell) error {
	sizes := zipf(d.tenants)
	scarcest := byUse(limits(f, d, c))[0]
	most := scarcest.capacity / scarcest.needed // the part of everything that a cell holds
	fewest := perCell(limits(f, d, c))
	fmt.Fprintf(w, "\n%s tenants in cells; the sums need %d\n", count(float64(d.tenants)), fewest)
	fmt.Fprintf(w, "  %-34s %12s\n", "identities of the largest tenant", count(sizes[0]*float64(d.identities)))
	if sizes[0] > most {
		_, err := fmt.Fprintf(w, "  the largest tenant needs %.1f cells: it does not fit into one\n", sizes[0]/most)
		return err
	}
	fmt.Fprintf(w, "  %-34s %12s %27s\n", "a new tenant goes to a cell", "cells needed", "fullest cell, beside the mean")
	for _, p := range placements {
		cells, fullest := p.needed(sizes, most, fewest)
		if cells == 0 {
			fmt.Fprintf(w, "  %-34s %12s\n", p.name, "> 10 times")
			continue
		}
		fmt.Fprintf(w, "  %-34s %12d %29.2f\n", p.name, cells, fullest*float64(cells))
	}
	return nil
}

// needed returns the smallest number of cells in which no cell has more than most, and what the fullest one has. It
// returns no cells if ten times the fewest do not suffice.
func (p placement) needed(sizes []float64, most float64, fewest int) (cells int, fullest float64) {
	for cells = fewest; cells <= 10*fewest; cells++ {
		r := rand.New(rand.NewPCG(1, uint64(cells))) // the same tenants in each run
		loads := make([]float64, cells)
		for _, tenant := range r.Perm(len(sizes)) {
			loads[p.choose(r, loads)] += sizes[tenant]
		}
		if fullest = slices.Max(loads); fullest <= most {
			return cells, fullest
		}
	}
	return 0, 0
}

// zipf returns the parts of n tenants in the whole: the second has half of what the first has, the third a third.
func zipf(n int) []float64 {
	sizes, sum := make([]float64, n), 0.0
	for i := range sizes {
		sizes[i] = 1 / float64(i+1)
		sum += sizes[i]
	}
	for i := range sizes {
		sizes[i] /= sum
	}
	return sizes
}
