package wire_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/activity"
	"midas/internal/api/management/wire"
)

func TestOnlyApplicationsHaveAnApplicationID(t *testing.T) {
	const (
		app       = "77777777-7777-7777-7777-777777777777"
		microsoft = "http://schemas.microsoft.com/identity/claims/"
		soap      = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
		oid, tid  = microsoft + "objectidentifier", microsoft + "tenantid"
	)
	for caller, want := range map[string]map[string]string{
		app:                {"appid": app, oid: "object", tid: "tenant"},
		"alice@test.midas": {oid: "object", tid: "tenant", soap + "name": "alice@test.midas", soap + "upn": "alice@test.midas"},
		"":                 {oid: "object", tid: "tenant"},
	} {
		got := wire.EncodeEvent(activity.Event{Caller: caller, CallerObjectID: "object", TenantID: "tenant"})
		if diff := cmp.Diff(want, got.Claims); diff != "" {
			t.Errorf("caller %q (-want +got)\n%s", caller, diff)
		}
		if got.Caller != caller {
			t.Errorf("caller %q, want %q", got.Caller, caller)
		}
	}
}

func TestEventFieldsMatchAzure(t *testing.T) {
	e := activity.Event{
		ID: "event", Time: time.Date(2023, 8, 23, 13, 0, 34, 589328500, time.UTC), TenantID: "tenant", SubscriptionID: "sub",
		ResourceID: "/subscriptions/sub/resourceGroups/rg", ResourceType: "Microsoft.Resources/subscriptions/resourceGroups",
		Operation: "Microsoft.Resources/subscriptions/resourceGroups/delete", Status: activity.Failed, Code: 404, ErrorCode: "ResourceGroupNotFound",
	}
	got := wire.EncodeEvent(e)
	for name, texts := range map[string][2]string{
		"event":           {got.EventName.Value, "EndRequest"},
		"event, to read":  {got.EventName.LocalizedValue, "End request"},
		"status":          {got.SubStatus.Value, "NotFound"},
		"status, to read": {got.SubStatus.LocalizedValue, "Not Found (HTTP Status Code: 404)"},
		"level":           {got.Level, "Error"},
		"id":              {got.ID, "/subscriptions/sub/resourceGroups/rg/events/event/ticks/638283924345893285"},
	} {
		if texts[0] != texts[1] {
			t.Errorf("%s: %q, want %q", name, texts[0], texts[1])
		}
	}
	want := map[string]string{
		"eventCategory": "Administrative", "entity": e.ResourceID, "message": e.Operation, "hierarchy": "tenant/sub",
		"statusCode": "NotFound", "statusMessage": "ResourceGroupNotFound",
	}
	if diff := cmp.Diff(want, got.Properties); diff != "" {
		t.Errorf("properties (-want +got)\n%s", diff)
	}
}

func TestCountedRefusalsHaveCountAndLastTime(t *testing.T) {
	last := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := wire.EncodeEvent(activity.Event{Status: activity.Failed, Code: 403, Count: 17, Last: last})
	if got.Properties["count"] != "17" || got.Properties["lastEventTimestamp"] != "2026-03-01T12:00:00.0000000Z" {
		t.Errorf("%v", got.Properties)
	}
	if got := wire.EncodeEvent(activity.Event{Status: activity.Failed, Code: 403, Count: 1, Last: last}); got.Properties["count"] != "" {
		t.Errorf("a single one: %v", got.Properties)
	}
}

func TestAcceptedRequestHasEventsForItsEndAndItsBeginning(t *testing.T) {
	e := activity.Event{ID: "event", OperationID: "operation", Status: activity.Succeeded, Code: 201, Method: "PUT", ResourceID: "/subscriptions/s"}
	statuses := func(status string, e activity.Event) (all []string) {
		for _, event := range wire.EncodeEvents(e, status) {
			all = append(all, event.EventName.Value+" "+event.Status.Value+" "+event.SubStatus.Value+" "+event.OperationID)
		}
		return all
	}
	const end, begin = "EndRequest Succeeded Created operation", "BeginRequest Started  operation"
	for status, want := range map[string][]string{"": {end, begin}, "Succeeded": {end}, "started": {begin}} {
		if diff := cmp.Diff(want, statuses(status, e)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", status, diff)
		}
	}
	both := wire.EncodeEvents(e, "")
	if both[0].EventDataID == both[1].EventDataID || both[0].ID == both[1].ID || both[1].Properties["statusCode"] != "" {
		t.Errorf("the two events are not told apart: %+v", both)
	}
	e.Status, e.Code = activity.Failed, 403
	if got := statuses("", e); len(got) != 1 || got[0] != "EndRequest Failed Forbidden operation" {
		t.Errorf("a refusal: %q", got)
	}
}
