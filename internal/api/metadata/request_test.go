package metadata_test

import (
	"maps"
	"net/url"
	"testing"

	"midas/internal/api/metadata"
	"midas/internal/arm"
)

// FuzzParameters compares Parameters with net/url, except for queries that only Parameters refuses: those with
// repeated names or too many parameters.
func FuzzParameters(f *testing.F) {
	for _, s := range []string{"a=1&b=2", "a=1&A=2", "a", "=", "&&", "a=%zz", "a;b=1", "a=1;b", "%61=%20+", "a=b=c", "\xe1", "%e1=1&%E1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := metadata.Parameters(raw)
		values, err := url.ParseQuery(raw)
		want := map[string]string{}
		for name, all := range values {
			if _, twice := want[arm.Fold(name)]; twice || len(all) > 1 {
				want = nil
				break
			}
			want[arm.Fold(name)] = all[0]
		}
		if err != nil || len(want) > 32 {
			want = nil
		}
		if (got == nil) != (want == nil) || !maps.Equal(got, want) {
			t.Errorf("%q is read as %q, net/url reads %q", raw, got, want)
		}
	})
}
