package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// limit is one thing of which a cell has a certain amount.
type limit struct {
	what             string
	needed, capacity float64
	show             func(float64) string // an amount
	holds            string               // what fits into a cell
	each             float64              // the amount that one of these takes
	unit             func(float64) string // a number of these
}

// limits returns what a cell needs and has. Reads and cached tokens scale with replicas and machines, as signatures do;
// writes do not, since all replicas share one store.
func limits(f figures, d demand, c cell) []limit {
	up := float64(c.replicas - 1)
	tokens := float64(d.hosts * d.tokensPerHost)
	writes := min(f.creates, f.etcd)
	const day = 86_400
	return []limit{
		{"bytes in the store", float64(d.identities) * f.identity, c.store, size, "identities in the store, at most", f.identity, count},
		{"memory for waiting hosts", float64(d.hosts) * f.waiting, up * c.memory, size, "hosts that wait for changes", f.waiting, count},
		{"signatures, after an outage", tokens / d.recovery.Seconds(), up * f.signed, rate, "tokens signed", 1, rate},
		{"cached tokens, after an outage", tokens / d.recovery.Seconds(), up * f.perSecond, rate, "tokens from the cache", 1, rate},
		{"signatures, on any day", tokens / d.refresh.Seconds(), up * f.signed, rate,
			"hosts whose tokens are replaced", float64(d.tokensPerHost) / d.refresh.Seconds(), count},
		{"writes: certificates and churn", float64(d.hosts)/d.certificates.Seconds() + float64(d.identities)*d.churn/day, writes, rate,
			"writes", 1, rate},
	}
}

// byUse sorts limits by how often a cell would be needed for what is needed, the scarcest first.
func byUse(all []limit) []limit {
	return slices.SortedStableFunc(slices.Values(all), func(a, b limit) int { return cmp.Compare(b.needed/b.capacity, a.needed/a.capacity) })
}

// perCell is how many cells the sums need.
func perCell(all []limit) int {
	return max(1, int(math.Ceil(byUse(all)[0].needed/byUse(all)[0].capacity)))
}

func count(n float64) string {
	text := strconv.FormatFloat(math.Floor(n), 'f', 0, 64)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func size(n float64) string { return fmt.Sprintf("%.1f GiB", n/gib) }

func rate(n float64) string { return count(math.Round(n)) + "/s" }
