package identity_test

import (
	"fmt"
	"testing"

	"midas/internal/host"
	"midas/internal/identity"
)

// BenchmarkWorkload measures the selection of an identity, as for each token of a host, with 10,000 hosts of three
// identities each.
func BenchmarkWorkload(b *testing.B) {
	s := newService(b)
	apps := []string{put(b, s, app+"1").ID.String(), put(b, s, app+"2").ID.String()}
	for i := range 10_000 {
		putResource(b, s, fmt.Sprint(vm, i), assign(identity.Both, apps...))
	}
	machine := id(b, vm+"77")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Workload(b.Context(), machine, host.Selector{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAssign measures assigning identities to a resource, with as many hosts.
func BenchmarkAssign(b *testing.B) {
	s := newService(b)
	apps := []string{put(b, s, app+"1").ID.String(), put(b, s, app+"2").ID.String()}
	for i := range 10_000 {
		putResource(b, s, fmt.Sprint(vm, i), assign(identity.Both, apps...))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		putResource(b, s, fmt.Sprint(vm, "x", n), assign(identity.Both, apps...))
	}
}
