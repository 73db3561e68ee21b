package activity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/activity"
)

func TestFiltersOfRealClientsAreAccepted(t *testing.T) {
	at := func(s string) time.Time {
		moment, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for filter, want := range map[string]activity.Query{
		// The specification's example.
		"eventTimestamp ge '2015-01-21T20:00:00Z' and eventTimestamp le '2015-01-23T20:00:00Z' and resourceGroupName eq 'MSSupportGroup'": {
			Since: at("2015-01-21T20:00:00Z"), Until: at("2015-01-23T20:00:00Z"), ResourceGroup: "MSSupportGroup",
		},
		// az role assignment list-changelogs.
		"resourceProvider eq Microsoft.Authorization and eventTimestamp ge 2023-08-23T12:59:20Z and eventTimestamp le 2023-08-23T13:01:20Z": {
			Since: at("2023-08-23T12:59:20Z"), Until: at("2023-08-23T13:01:20Z"), ResourceProvider: "Microsoft.Authorization",
		},
		// az monitor activity-log list.
		"eventTimestamp ge 2018-01-01T00:00:00+00:00 and eventTimestamp le 2999-01-01T00:00:00+00:00": {
			Since: at("2018-01-01T00:00:00Z"), Until: at("2999-01-01T00:00:00Z"),
		},
		// The Python SDK's sample.
		"eventTimestamp ge 2016-11-17 and eventChannels eq 'Admin, Operation'": {
			Since: at("2016-11-17T00:00:00Z"), Channels: []string{"Admin", "Operation"},
		},
		"eventTimestamp ge '2026-01-01T02:00:00.1234567+0200' and resourceUri eq '/subscriptions/s' and caller eq 'a b' and status eq 'Failed' and correlationId eq 'c'": {
			Since: at("2026-01-01T00:00:00.1234567Z"), ResourceID: "/subscriptions/s", Caller: "a b", Status: "Failed", CorrelationID: "c",
		},
		"EVENTTIMESTAMP ge '2026-01-01T00:00:00' and ResourceId eq '/x'": {Since: at("2026-01-01T00:00:00Z"), ResourceID: "/x"},
	} {
		got, err := activity.ParseFilter(filter)
		if err != nil {
			t.Errorf("ParseFilter(%q): %v", filter, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParseFilter(%q) (-want +got):\n%s", filter, diff)
		}
	}
}

func TestInvalidFilterErrorsNameTheProblem(t *testing.T) {
	const since = "eventTimestamp ge '2026-01-01T00:00:00Z'"
	for filter, want := range map[string]string{
		"":                                                      "must give a start time",
		"status eq 'Failed'":                                    "must give a start time",
		"eventTimestamp le '2026-01-01'":                        "must give a start time",
		"eventTimestamp ge 'yesterday'":                         "time 'yesterday' is not valid",
		"eventTimestamp ge '0001-01-01'":                        "is not valid",
		"eventTimestamp eq '2026-01-01'":                        "'eventTimestamp' is not supported",
		"eventTimestamp ge":                                     "position 17",
		since + " and " + since:                                 "'eventTimestamp ge' more than once",
		since + " or status eq 'x'":                             "expected \"and\"",
		since + " and level eq 'Error'":                         "'level' is not supported",
		since + " and status ne 'Failed'":                       "'status' is not supported",
		since + " and status eq ''":                             "no value for 'status'",
		since + " and caller('x')":                              "'caller' is not supported",
		since + " and caller eq 'a' and caller eq 'b'":          "'caller' more than once",
		since + " and resourceUri eq 'a' and resourceId eq 'b'": "'resourceId' more than once",
		since + " and eventChannels eq 'a' and eventChannels eq 'Admin'": "'eventChannels' is not supported",
	} {
		_, err := activity.ParseFilter(filter)
		bad, ok := errors.AsType[*activity.QueryError](err)
		if !ok || !strings.Contains(bad.Text, want) {
			t.Errorf("ParseFilter(%q) = %v, want a QueryError with %q", filter, err, want)
		}
	}
}

// FuzzParseFilter checks that every filter results in a QueryError or in a query with a start time, and that
// the log can answer that query.
func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{
		"", "eventTimestamp ge '2026-02-01T00:00:00Z' and eventTimestamp le 9999-12-31 and resourceGroupName eq 'g'",
		"eventTimestamp ge 1969-12-31 and eventChannels eq ',,' and caller eq ''''", "status eq", "eventTimestamp ge 2026-02-29",
	} {
		f.Add(s)
	}
	b := newBench(f)
	b.record(f, activity.Event{Caller: "x"})
	f.Fuzz(func(t *testing.T, filter string) {
		q, err := activity.ParseFilter(filter)
		if err == nil {
			if q.Since.IsZero() {
				t.Fatalf("ParseFilter(%q) gives a query without a start", filter)
			}
			_, err = b.Query(t.Context(), q)
		}
		if _, ok := errors.AsType[*activity.QueryError](err); err != nil && !ok {
			t.Fatalf("%q fails with %v", filter, err)
		}
	})
}
