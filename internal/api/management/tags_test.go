package management_test

import (
	"strings"
	"testing"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
)

// Writes of tags and of registrations are in the activity log with their own actions, and refused writes too.
func TestTagAndRegistrationWritesAreLogged(t *testing.T) {
	s := newStack(t)
	const tags = "{sub}/resourceGroups/rg/providers/Microsoft.Resources/tags/default" + core
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 200, "owner", "PUT", tags, `{"properties":{"tags":{"a":"1"}}}`)
	s.want(t, 200, "owner", "PATCH", tags, `{"operation":"Merge","properties":{"tags":{"b":"2"}}}`)
	s.want(t, 400, "owner", "PUT", tags, `{"properties":{"tags":{"a/b":"1"}}}`)
	s.want(t, 403, "reader", "DELETE", tags, "")
	s.want(t, 200, "owner", "DELETE", tags, "")
	s.want(t, 201, "owner", "PUT", "{sub}/tagNames/cost"+core, "")
	s.want(t, 200, "owner", "POST", "{sub}/providers/Microsoft.Web/unregister"+core, "")
	found, err := s.log.Query(t.Context(), activity.Query{TenantID: tenant, SubscriptionID: arm.Fold(sub), Since: s.now().Add(-time.Hour), Limit: 100})
	must(t, err)
	var got []string
	for _, e := range found.Events {
		got = append(got, e.Operation+" "+string(e.Status))
	}
	want := []string{
		"Microsoft.Web/unregister/action Succeeded", "Microsoft.Resources/subscriptions/tagNames/write Succeeded", "Microsoft.Resources/tags/delete Succeeded",
		"Microsoft.Resources/tags/delete Failed", "Microsoft.Resources/tags/write Succeeded", "Microsoft.Resources/tags/write Succeeded",
		"Microsoft.Resources/subscriptions/resourceGroups/write Succeeded",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
