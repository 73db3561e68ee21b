package management_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"midas/internal/arm"
)

// maxPageAnswer is how long an answer with a page is at most: the entries, and what estimates lack.
const maxPageAnswer = arm.PageBytes + arm.PageBytes/4

// pages follows the nextLinks of a list and gives the names of all entries.
func pages(t *testing.T, s *stack, path string) (names []string, answers int) {
	t.Helper()
	for path != "" {
		w := s.want(t, 200, "owner", "GET", path, "")
		var list struct {
			Value    []struct{ Name string }
			NextLink string
		}
		must(t, json.Unmarshal(w.Body.Bytes(), &list))
		if w.Body.Len() > maxPageAnswer && len(list.Value) > 1 {
			t.Errorf("%s: %d entries in %d bytes", path, len(list.Value), w.Body.Len())
		}
		if answers++; answers > 100 {
			t.Fatalf("%s does not end", path)
		}
		for _, entry := range list.Value {
			names = append(names, entry.Name)
		}
		path = strings.TrimPrefix(list.NextLink, origin)
	}
	return names, answers
}

// largeTags are as large as a resource's can be.
func largeTags() string {
	tags := map[string]string{}
	for i := range 50 {
		tags[fmt.Sprintf("%d", i)+strings.Repeat("n", 500)] = strings.Repeat("v", 256)
	}
	text, _ := json.Marshal(tags)
	return string(text)
}

// TestPagesAreOfOneMebibyte asks for a thousand entries, all of which are large.
func TestPagesAreOfOneMebibyte(t *testing.T) {
	s := newStack(t)
	group := "/subscriptions/" + sub + "/resourceGroups/rg"
	s.want(t, 0, "owner", "PUT", group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	tags := largeTags()
	assigned := map[string]any{}
	for i := range 60 {
		name := fmt.Sprintf("id%03d", i)
		s.want(t, 0, "owner", "PUT", group+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"+name+"?api-version=2023-01-31", `{"location":"eastus","tags":`+tags+`}`)
		if i < 20 {
			assigned[group+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"+name] = struct{}{}
		}
	}
	block, _ := json.Marshal(assigned)
	for i := range 8 {
		name := fmt.Sprintf("job%d", i)
		body := fmt.Sprintf(`{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":%s},"properties":{"a":%q}}`, block, strings.Repeat("x", 400<<10))
		s.want(t, 0, "owner", "PUT", group+"/providers/Contoso.Apps/jobs/"+name+"?api-version=2024-01-01", body)
	}
	for i := range 40 {
		s.want(t, 0, "owner", "PUT", fmt.Sprintf("%sx%02d?api-version=2021-04-01", group, i), `{"location":"eastus","tags":`+tags+`}`)
	}
	for name, c := range map[string]struct {
		path    string
		want    int
		answers int // at least
	}{
		"identities":        {group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31&$top=1000", 60, 3},
		"of a subscription": {"/subscriptions/" + sub + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31&$top=1000", 60, 3},
		"any type":          {group + "/providers/Contoso.Apps/jobs?api-version=2024-01-01&$top=1000", 8, 4},
		"all resources":     {group + "/resources?api-version=2021-04-01&$top=1000", 68, 5},
		"filtered":          {group + "/resources?api-version=2021-04-01&$top=1000&$filter=location%20eq%20'eastus'", 68, 5},
		"groups":            {"/subscriptions/" + sub + "/resourceGroups?api-version=2021-04-01&$top=1000", 41, 2},
		"few at a time":     {group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31&$top=7", 60, 9},
	} {
		names, answers := pages(t, s, c.path)
		sorted := slices.Clone(names)
		slices.Sort(sorted)
		if len(slices.Compact(sorted)) != c.want || len(names) != c.want || answers < c.answers {
			t.Errorf("%s: %d entries in %d pages, want %d in at least %d", name, len(names), answers, c.want, c.answers)
		}
	}
}
