package activity

import (
	"errors"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/odata"
)

// ParseFilter reads the $filter of the activity log, which must give a start time:
//
//	eventTimestamp ge '2026-01-01T00:00:00Z' and eventTimestamp le '2026-01-02T00:00:00Z'
//	and resourceGroupName eq 'rg1'
//
// Besides resourceGroupName it accepts resourceUri (also called resourceId), resourceProvider,
// correlationId, caller, status and eventChannels, each at most once. Values need no quotes, because
// Azure's own clients send some without. Query, and not ParseFilter, checks that the start time is not too
// long ago. Every error is a *QueryError.
func ParseFilter(filter string) (Query, error) {
	terms, err := odata.Parse(filter)
	if syntax, bad := errors.AsType[*odata.SyntaxError](err); bad {
		return Query{}, &QueryError{"The $filter cannot be read: " + syntax.Error() + "."}
	}
	if err != nil {
		return Query{}, err
	}
	var q Query
	for _, term := range terms {
		if err := q.add(term); err != nil {
			return Query{}, err
		}
	}
	if q.Since.IsZero() {
		return Query{}, ErrNoStart
	}
	return q, nil
}

func (q *Query) add(term odata.Term) error {
	name := arm.Fold(term.Name)
	if name == "eventtimestamp" {
		return q.addTime(term)
	}
	if name == "eventchannels" && term.Op == "eq" && q.Channels == nil {
		for channel := range strings.SplitSeq(term.Value, ",") {
			q.Channels = append(q.Channels, strings.TrimSpace(channel))
		}
		return nil
	}
	field := q.field(name)
	switch {
	case field == nil || term.Op != "eq":
		return unsupported(term)
	case term.Value == "":
		return &QueryError{"The $filter gives no value for '" + term.Name + "'."}
	case *field != "":
		return &QueryError{"The $filter names '" + term.Name + "' more than once."}
	case field == &q.ResourceProvider && arm.CheckWord(term.Value) != nil:
		return &QueryError{"The $filter's resource provider '" + term.Value + "' is not valid: expected a namespace such as Microsoft.Compute."}
	}
	*field = term.Value
	return nil
}

func (q *Query) field(name string) *string {
	switch name {
	case "resourcegroupname":
		return &q.ResourceGroup
	case "resourceuri", "resourceid":
		return &q.ResourceID
	case "resourceprovider":
		return &q.ResourceProvider
	case "correlationid":
		return &q.CorrelationID
	case "caller":
		return &q.Caller
	case "status":
		return &q.Status
	}
	return nil
}

func (q *Query) addTime(term odata.Term) error {
	var bound *time.Time
	switch term.Op {
	case "ge":
		bound = &q.Since
	case "le":
		bound = &q.Until
	default:
		return unsupported(term)
	}
	if !bound.IsZero() {
		return &QueryError{"The $filter names 'eventTimestamp " + term.Op + "' more than once."}
	}
	t, ok := parseTime(term.Value)
	if !ok {
		return &QueryError{"The $filter's time '" + term.Value + "' is not valid: expected a time such as 2026-01-31T23:59:59Z."}
	}
	*bound = t
	return nil
}

// parseTime parses the forms of ISO 8601 that Azure's clients send. A time without an offset is UTC.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && !t.IsZero() {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func unsupported(term odata.Term) error {
	return &QueryError{"The $filter's condition on '" + term.Name + "' is not supported. It may hold: eventTimestamp ge and le, " +
		"and with eq: resourceGroupName, resourceUri, resourceProvider, correlationId, caller, status, eventChannels."}
}
