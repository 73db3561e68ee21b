package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"
)

const groups = 1000

// scale compares a small installation with one of n identities in a thousand groups.
func (b *bench) scale(_ context.Context, n int) error {
	small, err := b.populated("small", 1000)
	if err != nil {
		return err
	}
	defer func() { small.stop() }()
	before := sizeOf(small.data)
	big, err := b.populated("big", n)
	if err != nil {
		return err
	}
	defer func() { big.stop() }()
	fmt.Printf("| bytes on disk for each of %d identities | %.0f | | |\n", n, float64(sizeOf(big.data)-before)/float64(n-1000))
	if err := b.restart(big, small); err != nil {
		return err
	}
	if err := b.getsAtScale(big, small, n); err != nil {
		return err
	}
	if err := b.pages(big, n); err != nil {
		return err
	}
	fmt.Printf("| memory after that | %.0f MiB | with 1000: %.0f MiB | %.2f |\n", big.rss(), small.rss(), big.rss()/small.rss())
	return nil
}

// populated makes a server with n identities, spread over the groups.
func (b *bench) populated(name string, n int) (*target, error) {
	t, err := b.target(name, "")
	if err != nil {
		return nil, err
	}
	sub := "/subscriptions/" + t.admin.SubscriptionID
	_, err = t.run(putConns, groups, "201", func(i int) []byte {
		return send("PUT", fmt.Sprintf("%s/resourceGroups/g%d?api-version=2021-04-01", sub, i), t.bearer, "application/json", `{"location":"eastus"}`)
	})
	if err != nil {
		return nil, err
	}
	_, err = t.run(putConns, n, "201", func(i int) []byte {
		return send("PUT", t.at(i), t.bearer, "application/json", `{"location":"eastus"}`)
	})
	return t, err
}

// at is the path of the i-th identity.
func (t *target) at(i int) string {
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/g%d/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id%d%s",
		t.admin.SubscriptionID, i%groups, i, uaiVersion)
}

// restart measures start-up on the big and the small store, and brings both back.
func (b *bench) restart(big, small *target) error {
	var ours, theirs []float64
	for range b.rounds {
		for _, s := range []*target{big, small} {
			s.stop()
			again, err := startMidas(b.binary, s.data, "")
			if err != nil {
				return err
			}
			s.server = again
			if err := s.signIn(); err != nil {
				return err
			}
		}
		ours, theirs = append(ours, big.ready.Seconds()*1000), append(theirs, small.ready.Seconds()*1000)
	}
	fmt.Printf("| exec to ready | %.0f ms | with 1000: %.0f ms | %.2f |\n", median(ours), median(theirs), median(ours)/median(theirs))
	return nil
}

// getsAtScale compares the latencies of GETs all over the store, in turns.
func (b *bench) getsAtScale(big, small *target, n int) error {
	var ours, theirs, ratios []float64
	for range b.rounds {
		a, err := big.run(getConns, getRequests, "200", func(int) []byte { return get(big.at(rand.IntN(n)), big.bearer) })
		if err != nil {
			return err
		}
		c, err := small.run(getConns, getRequests, "200", func(int) []byte { return get(small.at(rand.IntN(1000)), small.bearer) })
		if err != nil {
			return err
		}
		ours, theirs = append(ours, ms(a.p99)), append(theirs, ms(c.p99))
		ratios = append(ratios, ms(a.p99)/ms(c.p99))
	}
	fmt.Printf("| GET of any identity, 99th percentile | %.2f ms | with 1000: %.2f ms | %.2f |\n", median(ours), median(theirs), median(ratios))
	return nil
}

// pages follows a list to its end and compares the first pages with the last.
func (b *bench) pages(t *target, n int) error {
	next := fmt.Sprintf("/subscriptions/%s/providers/Microsoft.ManagedIdentity/userAssignedIdentities%s", t.admin.SubscriptionID, uaiVersion)
	var times []float64
	seen := 0
	for next != "" {
		one, err := t.run(1, 1, "200", func(int) []byte { return get(next, t.bearer) })
		if err != nil {
			return err
		}
		var page struct {
			Value    []json.RawMessage
			NextLink string
		}
		if err := json.Unmarshal(one.last, &page); err != nil {
			return err
		}
		seen += len(page.Value)
		times = append(times, ms(one.p50))
		_, path, _ := strings.Cut(strings.TrimPrefix(page.NextLink, "https://"), "/")
		next = strings.TrimSuffix("/"+path, "/")
	}
	if seen < n {
		return fmt.Errorf("the list has %d of %d identities", seen, n)
	}
	tenth := len(times) / 10
	first, last := median(times[:tenth]), median(times[len(times)-tenth:])
	fmt.Printf("| a page of 100, last tenth of %d pages | %.2f ms | first tenth: %.2f ms | %.2f |\n", len(times), last, first, last/first)
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// sizeOf is what a data folder takes on disk, in bytes.
func sizeOf(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
