package resource_test

import (
	"fmt"
	"strings"
	"testing"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store/storetest"
)

// Every page holds at most the names that it should, and all pages together hold every name once, whatever the
// sizes of names and values are.
func TestTagNamesAreListedByPages(t *testing.T) {
	w := newTagWorld(t)
	want := map[string]int{}
	for i := range 30 {
		tags := map[string]string{}
		for n := range 40 {
			name := fmt.Sprintf("name-%02d", (i*7+n)%60)
			if (i+n)%2 == 0 {
				name = strings.ToUpper(name)
			}
			tags[name] = strings.Repeat("v", 200) + fmt.Sprint(i)
			want[arm.Fold(name)]++
		}
		w.tag(t, fmt.Sprintf("rg%02d", i), tags)
	}
	for _, limit := range []int{1, 7, 60, 1000} {
		got, after, pages := map[string]int{}, "", 0
		for {
			names, next, err := w.TagNames(t.Context(), w.subscription, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(names) > limit || len(names) == 0 {
				t.Fatalf("%d names on a page of %d", len(names), limit)
			}
			for _, name := range names {
				if _, twice := got[arm.Fold(name.Name)]; twice {
					t.Errorf("%s is on two pages", name.Name)
				}
				got[arm.Fold(name.Name)] = name.Count
			}
			if pages++; next == "" {
				break
			}
			after = next
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("pages of %d: %v, want %v", limit, got, want)
		}
	}
}

// A name with more values than fit on a page is listed with a part of them; its count is that of all resources.
func TestTagNameWithManyLongValues(t *testing.T) {
	w := newTagWorld(t)
	const groups = 700
	for i := range groups {
		w.tag(t, fmt.Sprintf("rg%03d", i), map[string]string{"a": strings.Repeat("\U0001F600", 250) + fmt.Sprint(i), "b": "x"})
	}
	names, next, err := w.TagNames(t.Context(), w.subscription, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 1 || names[0].Count != groups || len(names[0].Values) >= groups || len(names[0].Values) == 0 || next != "a" {
		t.Fatalf("%d names, next %q", len(names), next)
	}
	names, next, err = w.TagNames(t.Context(), w.subscription, next, 100)
	if err != nil || len(names) != 1 || names[0].Name != "b" || names[0].Count != groups || next != "" {
		t.Errorf("%v %q %v", names, next, err)
	}
}

func TestPredefinedTagsAreBounded(t *testing.T) {
	w := newTagWorld(t)
	_, _, err := w.PutTagName(t.Context(), activity.Event{}, w.subscription, "name")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 999 {
		_, created, err := w.PutTagValue(t.Context(), activity.Event{}, w.subscription, "name", fmt.Sprint(i))
		if err != nil || !created {
			t.Fatalf("value %d: %v %v", i, created, err)
		}
	}
	if _, _, err := w.PutTagValue(t.Context(), activity.Event{}, w.subscription, "name", "more"); err == nil {
		t.Error("the 1001st value was created")
	}
	if _, _, err := w.PutTagName(t.Context(), activity.Event{}, w.subscription, "other"); err == nil {
		t.Error("the 1001st name was created")
	}
	if _, created, err := w.PutTagValue(t.Context(), activity.Event{}, w.subscription, "NAME", "5"); err != nil || created {
		t.Errorf("a value that exists: %v %v", created, err)
	}
	if existed, err := w.DeleteTagValue(t.Context(), activity.Event{}, w.subscription, "name", "5"); err != nil || !existed {
		t.Errorf("delete: %v %v", existed, err)
	}
	if _, created, err := w.PutTagName(t.Context(), activity.Event{}, w.subscription, "other"); err != nil || !created {
		t.Errorf("a name after a deletion: %v %v", created, err)
	}
}

// tagWorld is a Service with one subscription.
type tagWorld struct {
	*resource.Service
	subscription arm.ID
}

func newTagWorld(t *testing.T) *tagWorld {
	t.Helper()
	return &tagWorld{Service: newService(t, storetest.Memory(t)), subscription: id(t, sub)}
}

// tag creates a group with tags.
func (w *tagWorld) tag(t *testing.T, group string, tags map[string]string) {
	t.Helper()
	putGroup(t, w.Service, sub+"/resourceGroups/"+group, "eastus", tags)
}
