package management_test

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"midas/internal/arm"
)

// compare returns the differences between an answer and the recorded one: of the status, of the headers that
// clients read, and of every field of the body.
func (r *replay) compare(t *testing.T, e recordedExchange, w *httptest.ResponseRecorder) []string {
	t.Helper()
	if w.Code != e.Code {
		return []string{"status is " + strconv.Itoa(w.Code) + ", not " + strconv.Itoa(e.Code) + ": " + w.Body.String()}
	}
	all := r.headerDifferences(e, w)
	if e.Answer == "" || w.Body.Len() == 0 {
		if e.Answer != "" || w.Body.Len() > 0 {
			all = append(all, "body is "+quoted(w.Body.String())+", not "+quoted(e.Answer))
		}
		return all
	}
	var want, got any
	if json.Unmarshal([]byte(e.Answer), &want) != nil || json.Unmarshal(w.Body.Bytes(), &got) != nil {
		return append(all, "body is "+w.Body.String()+", not "+e.Answer)
	}
	withoutExplain(want, got)
	r.selectElements(t, e, want, got)
	return append(all, r.differences("", want, got)...)
}

func (r *replay) headerDifferences(e recordedExchange, w *httptest.ResponseRecorder) (all []string) {
	for _, name := range []string{
		"location", "content-type", "cache-control", "pragma", "expires", "x-content-type-options", "strict-transport-security",
		"x-ms-failure-cause", "etag", "azure-asyncoperation", "azure-asyncnotification", "retry-after", "www-authenticate",
	} {
		want, got := r.text(strings.Join(e.Headers[name], ",")), strings.Join(w.Header().Values(name), ",")
		if name == "azure-asyncoperation" && operationName(want) != "" && operationName(got) != "" {
			continue // followed to its end by the requests that poll it
		}
		if want != got {
			all = append(all, "header/"+name+" is "+quoted(got)+", not "+quoted(want))
		}
	}
	return all
}

// catalogues are the lists that a cloud has for everyone. Of these, the elements that both have are compared:
// Azure gets new ones from time to time.
var catalogues = []arm.Type{
	"Microsoft.Authorization/roleDefinitions", "Microsoft.Resources/subscriptions/locations", arm.TypeProvider,
	"Microsoft.Insights/eventtypes/values", // the log of a subscription in which others work, too
}

// selectElements leaves out the elements of two lists that are not compared: what the stack has made for itself,
// and what only one of two catalogues has.
func (r *replay) selectElements(t *testing.T, e recordedExchange, want, got any) {
	t.Helper()
	wanted, isList := want.(map[string]any)
	given, _ := got.(map[string]any)
	theirs, _ := wanted["value"].([]any)
	ours, both := given["value"].([]any)
	if !isList || !both {
		return
	}
	given["value"] = slices.DeleteFunc(ours, r.isOwn)
	typ := pathOfRequest(t, e.Method, e.target()).Type
	if !slices.ContainsFunc(catalogues, typ.Is) {
		return
	}
	shared := func(list, other []any) []any {
		return slices.DeleteFunc(slices.Clone(list), func(element any) bool {
			return !slices.ContainsFunc(other, func(o any) bool { return r.keyOf(o) == r.keyOf(element) })
		})
	}
	wanted["value"], given["value"] = shared(theirs, ours), shared(ours, theirs)
}

// keyOf returns what identifies an element of a catalogue: its name or, of an event, its resource, its operation
// and its status.
func (r *replay) keyOf(element any) string {
	fields, _ := element.(map[string]any)
	if name, named := fields["name"].(string); named {
		return name
	}
	return r.text(quoted([]any{fields["namespace"], fields["resourceId"], fields["operationName"] != nil, fields["status"]}))
}
