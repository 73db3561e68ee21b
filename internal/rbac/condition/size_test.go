package condition_test

import (
	"runtime"
	"strings"
	"testing"

	"midas/internal/rbac/condition"
)

// Caches count conditions by Size. A condition must not take much more memory than that.
func TestSizeCoversTheMemoryOfConditions(t *testing.T) {
	for _, text := range []string{
		constrained(backupRoles),
		"@Request[a] ForAnyOfAnyValues:NumericEquals {" + strings.Repeat("1,", 4000) + "1}",
		"@Request[a] ForAnyOfAnyValues:StringLike {" + strings.Repeat("'*?*',", 1300) + "'x'}",
		"ActionMatches{" + strings.Repeat("'a',", 2000) + "'a'}",
		strings.Repeat("1 NumericEquals 1 AND ", 360) + isTrue,
	} {
		const copies = 50
		var before, after runtime.MemStats
		kept := make([]*condition.Condition, copies)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range kept {
			kept[i] = parse(t, text)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		took, size := (int(after.HeapAlloc)-int(before.HeapAlloc))/copies, kept[0].Size()
		if runtime.KeepAlive(kept); took > size*3/2+4096 || size > 4*took+65536 {
			t.Errorf("%.50s: %d bytes, Size says %d", text, took, size)
		}
	}
}
