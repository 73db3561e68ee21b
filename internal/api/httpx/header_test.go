package httpx_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/httpx"
)

func TestFixedHeadersReplaceAndDoNotShareAdditions(t *testing.T) {
	fixed := httpx.Fixed("cache-control", "no-store", "Expires", "-1")
	first, second := http.Header{"Expires": {"0"}}, http.Header{}
	fixed.Set(first)
	first.Add("Expires", "more")
	fixed.Set(second)
	if diff := cmp.Diff(http.Header{"Cache-Control": {"no-store"}, "Expires": {"-1", "more"}}, first); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(http.Header{"Cache-Control": {"no-store"}, "Expires": {"-1"}}, second); diff != "" {
		t.Errorf("second (-want +got):\n%s", diff)
	}
	if n := testing.AllocsPerRun(100, func() { fixed.Set(second) }); n != 0 {
		t.Errorf("setting them takes %v allocations", n)
	}
}
