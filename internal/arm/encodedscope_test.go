package arm_test

import (
	"testing"

	"midas/internal/arm"
)

func TestSplitEncodedScope(t *testing.T) {
	for path, want := range map[string]string{
		"":                 "",
		"/":                "/",
		"/subscriptions/s": "/subscriptions/s",
		"/%2Fsubscriptions%2fs/providers/A.B/c/d%2Fe": "/subscriptions/s/providers/A.B/c/d%2Fe",
		"/%2fsubscriptions%2Fs":                       "/subscriptions/s",
		"/subscriptions%2Fs/providers/A.B/c":          "/subscriptions%2Fs/providers/A.B/c",
		"/x/%2Fsubscriptions%2Fs":                     "/x/%2Fsubscriptions%2Fs",
		"/%252Fsubscriptions":                         "/%252Fsubscriptions",
		"/%2Fsubscriptions%2Fs%252Fx/y":               "/subscriptions/s%252Fx/y",
	} {
		if got := arm.SplitEncodedScope(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
