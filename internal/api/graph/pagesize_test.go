package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"midas/internal/arm"
)

// TestPagesAreLimitedToOneMebibyte lists applications of 90 KiB each, in all ways in which lists are read.
func TestPagesAreLimitedToOneMebibyte(t *testing.T) {
	s := newStack(t)
	var ids, names []string
	for i := range 30 {
		name := fmt.Sprintf("large%02d", i)
		names = append(names, name)
		body := fmt.Sprintf(`{"displayName":%q,"tags":[%q],"notes":"n"}`, name, "x")
		s.as(t, name, "applications", body)
		kept := map[string]string{}
		for _, property := range []string{"description", "notes", "samlMetadataUrl", "tokenEncryptionKeyId", "serviceManagementReference", "defaultRedirectUri"} {
			kept[property] = strings.Repeat("x", 15<<10)
		}
		patch, _ := json.Marshal(kept)
		s.want(t, 204, "ga", "PATCH", "applications/{"+name+"}", string(patch))
		ids = append(ids, s.fill("'{"+name+"}'"))
	}
	for _, options := range [][]string{
		{"$top", "999", "$filter", "startswith(displayName,'large')"},
		{"$top", "999", "$filter", "startswith(displayName,'large')", "$orderby", "displayName desc"},
		{"$top", "999", "$filter", "id in (" + strings.Join(ids, ",") + ")"},
		{"$top", "3", "$filter", "id in (" + strings.Join(ids, ",") + ")"},
	} {
		path, pages := "applications"+query(options...), 0
		var got []string
		for path != "" {
			a := s.want(t, 200, "ga", "GET", path, "")
			found := a.values("displayName")
			if text, _ := json.Marshal(a); len(text) > arm.PageBytes+4096 && len(found) > 1 {
				t.Errorf("%v: %d objects in %d bytes", options, len(found), len(text))
			}
			if pages++; pages > 20 {
				t.Fatalf("%v does not end", options)
			}
			got = append(got, found...)
			next, _ := a["@odata.nextLink"].(string)
			_, path, _ = strings.Cut(next, "/v1.0/")
		}
		slices.Sort(got)
		if !slices.Equal(got, names) || pages < 3 {
			t.Errorf("%v: %d pages with %v", options, pages, got)
		}
	}
}
