package state_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"midas/internal/state"
)

const benchObjects = 2000

// BenchmarkApply reports how many objects are applied in a second; BenchmarkSinglePuts sends the same requests alone, as
// many at a time.
func BenchmarkApply(b *testing.B) {
	total := 0
	for b.Loop() {
		b.StopTimer()
		s, _ := serve(b)
		text := many(benchObjects)
		b.StartTimer()
		total += apply(b, s, text, state.Options{}).Created
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "objects/s")
}

func BenchmarkSinglePuts(b *testing.B) {
	total := 0
	for b.Loop() {
		b.StopTimer()
		s, _ := serve(b)
		token, err := s.Token(b.Context(), "https://management.azure.com")
		if err != nil {
			b.Fatal(err)
		}
		scope := s.Endpoint + "/subscriptions/" + s.SubscriptionID + "/resourceGroups/rg"
		put := func(path string) {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, scope+path, strings.NewReader(`{"location":"eastus"}`))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Content-Type", "application/json")
			resp, err := s.HTTP.Do(req)
			if err != nil || resp.StatusCode != http.StatusCreated {
				b.Errorf("%v %v", resp, err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		b.StartTimer()
		put("?api-version=2021-04-01")
		var group sync.WaitGroup
		for w := range 16 {
			group.Go(func() {
				for i := w; i < benchObjects; i += 16 {
					put(fmt.Sprintf("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app%d?api-version=2024-11-30", i))
				}
			})
		}
		group.Wait()
		total += benchObjects
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "objects/s")
}
