//go:build cluster

package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

func commitOf(guards []string, writes ...string) *pending {
	p := &pending{}
	for _, key := range guards {
		p.commit.Guards = append(p.commit.Guards, store.Guard{Key: key})
	}
	for _, key := range writes {
		p.commit.Writes = append(p.commit.Writes, store.Write{Key: key})
	}
	return p
}

// One statement sees nothing of what it writes itself, so a commit comes after those whose writes it gets or replaces.
func TestCommitsOfOneRoundDoNotDependOnEachOther(t *testing.T) {
	for name, tt := range map[string]struct {
		commits []*pending
		want    []round
	}{
		"different keys":                {[]*pending{commitOf(nil, "a"), commitOf(nil, "b"), commitOf([]string{"c"}, "c")}, []round{{0, 1, 2}}},
		"the same key":                  {[]*pending{commitOf(nil, "a"), commitOf(nil, "a"), commitOf(nil, "a")}, []round{{0}, {1}, {2}}},
		"a guard of what was written":   {[]*pending{commitOf(nil, "a"), commitOf([]string{"a"}, "b"), commitOf(nil, "c")}, []round{{0, 2}, {1}}},
		"a write of what was guarded":   {[]*pending{commitOf([]string{"a"}, "b"), commitOf(nil, "a")}, []round{{0, 1}}},
		"the same guard":                {[]*pending{commitOf([]string{"g"}, "a"), commitOf([]string{"g"}, "b")}, []round{{0, 1}}},
		"behind a commit of the second": {[]*pending{commitOf(nil, "a"), commitOf([]string{"a"}, "b"), commitOf([]string{"b"}, "c")}, []round{{0}, {1}, {2}}},
	} {
		if diff := cmp.Diff(tt.want, rounds(tt.commits)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A watch takes own commits only if they follow what it has without a gap, and none that the database may have lost.
func TestOwnCommitsFollowWithoutAGap(t *testing.T) {
	var o ownCommits
	add := func(revisions ...store.Revision) {
		for _, rev := range revisions {
			o.add([]ownCommit{{commitOf(nil, "a", "b"), rev}})
		}
	}
	count := func(after store.Revision) int { return len(o.after(after)) / 2 }
	add(1, 2, 5, 6)
	for after, want := range map[store.Revision]int{0: 2, 1: 1, 2: 0, 3: 0, 4: 2, 5: 1, 6: 0, 7: 0} {
		if got := count(after); got != want {
			t.Errorf("%d commits after %d, want %d", got, after, want)
		}
	}
	if entries := o.after(5); entries[0].last || !entries[1].last || entries[1].index != 2 || entries[0].value == nil {
		t.Errorf("got %+v", entries)
	}
	add(3) // a standby that lacked the others has taken over
	if count(4) != 0 || count(2) != 1 {
		t.Error("lost commits stay")
	}
	o.forget()
	if count(2) != 0 {
		t.Error("forgotten commits stay")
	}
	for rev := range store.Revision(10_000) {
		add(rev + 1)
	}
	if len(o.commits) != mostOwnCommits {
		t.Errorf("%d commits are kept", len(o.commits))
	}
}

func TestNewsOfTheNewestCommit(t *testing.T) {
	var n news
	n.init()
	woken := func(change func()) bool {
		before := n.now().wakes
		change()
		return n.now().wakes != before
	}
	one, other := int64(1), int64(2)
	for i, step := range []struct {
		change func()
		wakes  bool
		newest store.Revision
	}{
		{func() { n.observe(5) }, true, 5},
		{func() { n.observe(5) }, false, 5},
		{func() { n.observe(4) }, false, 5},
		{func() { n.answer(5, &one, 5) }, false, 5},
		{func() { n.answer(5, &other, 5) }, true, 5}, // another commit with this revision
		{func() { n.answer(6, &one, 5) }, true, 6},
		{func() { n.answer(5, &one, 5) }, false, 6}, // asked before the commit
		{func() { n.answer(4, &one, 6) }, true, 4},  // a standby has taken over
		{n.wake, true, 4},
	} {
		if got := woken(step.change); got != step.wakes || n.seen() != step.newest {
			t.Errorf("step %d: woken %t, newest %d", i, got, n.seen())
		}
	}
}
