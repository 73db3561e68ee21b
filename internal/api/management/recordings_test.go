package management_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// row is a line of the tables below: what its pattern matches is not Azure's, for a reason.
type row struct{ pattern, why string }

// notServed are the requests, with their status, that Midas does not stand for.
func notServed() []row {
	return []row{
		{`^\S+ /providers/Microsoft\.Management/managementGroups/`, "there are no management groups"},
		{`^\S+ [^?]*/providers/Microsoft\.Resources/(deployments|deploymentStacks|templateSpecs|dataBoundaries|locations)\b`, "templates are not deployed"},
		{`^\S+ [^?]*/providers/Microsoft\.Authorization/policy`, "there are no policies"},
		{`^\S+ [^?]*/providers/Microsoft\.Compute/locations/[^/]+/publishers/`, "there are no images"},
		{`^\S+ [^?]*/providers/Microsoft\.Network/locations/[^/]+/operations/`, "resources of other types are written at once"},
		{`^\S+ \S+ (429|5\d\d)$`, "Azure was busy or out of order"},
	}
}

// explained are the differences that stay, each of which docs/azure-divergences.md has. The pattern is of the
// method, the target and the difference.
func explained() []row {
	return []row{
		{`header/strict-transport-security is "max-age=31536000", not "max-age=31536000; includeSubDomains"$`, "only a server that owns its domain can speak for the names below it"},
		{`/providers/Microsoft\.Network\?.*: *has the fields .*, not authorizations `, "the applications behind Azure's providers are not here"},
		{`/display/(description|operation|resource) is `, "descriptions are written anew"},
		{`roleDefinitions\?.*/properties/description is `, "descriptions are written anew"},
		{`roleDefinitions\?.*(/permissions/|/updatedOn|/updatedBy is null, not "(SYSTEM)?"|/roleName is ".*", not ".* \(Preview\)")`, "roles have changed since"},
		{`/eventtypes/management/values\?.*: /value/\*(/claims has the fields |/httpRequest/client|/caller is |/id is |/properties/hierarchy is )`, "the caller, the client and the subscription are others"},
		{`/eventtypes/management/values\?.*/properties has the fields .*, not .* serviceRequestId statusCode$`, "a field of Azure's inside, which is null"},
		{`^PATCH .*header/retry-after is "0", not ""$`, "a write to a machine has ended when it is answered"},
		{`/locations/[^/]+/operations/.* has the fields endTime name startTime status, not name startTime status$`, "a write to a machine has ended when it is answered"},
		{`/instanceView has the fields statuses, not `, "nothing runs in machines"},
		{`/providers/Microsoft\.Network/.*(header/etag is "", not "W/| has the fields .*, not etag )`, "each provider has etags of its own"},
		{`/locations\?.*(/metadata/(regionCategory|geographyGroup) is |/metadata/pairedRegion has 0 elements|/regionalDisplayName is ")`, "regions have changed since 2022"},
		{`^HEAD .*header/content-type is "", not "application/json; charset=utf-8"$`, "a refused HEAD had a content type until 2021"},
		{`/SOA/@\?.*(/error/code is "ResourceNotFound", not "ParentResourceNotFound"|not "Can not perform requested operation on nested resource)`, "ARM's words until 2022"},
		{`/liveOutputs/.*(/error/code is "ResourceNotFound", not "ParentResourceNotFound"|not "Can not perform requested operation on nested resource)`, "ARM's words until 2022"},
		{`/virtualNetworks/vnet1/subnets/subnet1\?.*header/azure-async(operation|notification) is "", not "`, "resources of other types are written at once"},
		{`/DeviceUpdate/accounts/.*(header/content-type is ".*", not "application/json"$|/error/message )|Microsoft.DeviceUpdate/accounts/.*(header/content-type is|/error/message )`, "the words of another provider"},
		{`generateLoa\?.* has the fields error, not encodedContent error$`, "a field of one provider"},
	}
}

// tally counts which rows of a table have matched.
type tally struct {
	rows []row
	met  []int
}

func newTally(rows []row) *tally { return &tally{rows, make([]int, len(rows))} }

func (c *tally) matches(text string) bool {
	at := slices.IndexFunc(c.rows, func(r row) bool { return regexp.MustCompile(r.pattern).MatchString(text) })
	if at >= 0 {
		c.met[at]++
	}
	return at >= 0
}

// unmet reports the rows that have not matched, so that the tables do not outlive what they excuse.
func (c *tally) unmet(t *testing.T) {
	t.Helper()
	for i, r := range c.rows {
		if c.met[i] == 0 {
			t.Errorf("nothing matches %s (%s)", r.pattern, r.why)
		}
	}
}

// TestRecordings replays all recordings of Azure Resource Manager. Every answer that Midas stands for must be
// Azure's, but for the differences that are explained.
func TestRecordings(t *testing.T) {
	skipped, known := newTally(notServed()), newTally(explained())
	replayed := 0
	all := cassettes(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			r := newReplay(t)
			for _, e := range all[name] {
				replayed += r.replay(t, e, skipped, known)
			}
		})
	}
	t.Run("errors.jsonl", func(t *testing.T) {
		r := newReplay(t)
		for _, e := range refusals(t) {
			if e.isOurs(t) {
				if e.Method == http.MethodHead { // of a group that other refusals may have made
					r = newReplay(t)
				}
				replayed += r.replay(t, e, skipped, known)
			}
		}
	})
	t.Logf("%d exchanges were replayed", replayed)
	if replayed < 1000 {
		t.Errorf("only %d exchanges were replayed", replayed)
	}
	skipped.unmet(t)
	known.unmet(t)
}

// replay sends one request and reports the differences that are not explained. It returns 0 if the request is
// not served, otherwise 1.
func (r *replay) replay(t *testing.T, e recordedExchange, skipped, known *tally) int {
	t.Helper()
	if skipped.matches(e.Method + " " + e.target() + " " + strconv.Itoa(e.Code)) {
		return 0
	}
	for _, d := range r.compare(t, e, r.play(t, e)) {
		if difference := e.Method + " " + e.target() + ": " + d; !known.matches(difference) {
			t.Errorf("%.800s", difference)
		}
	}
	return 1
}

// isOurs reports whether ARM itself has refused a request, or a provider that Midas stands for.
func (e recordedExchange) isOurs(t *testing.T) bool {
	t.Helper()
	if e.fromGateway() {
		return true
	}
	return strings.Contains(e.URI, "/providers/Microsoft.Authorization/roleAssignments/") ||
		strings.Contains(e.URI, "/providers/Microsoft.ManagedIdentity/") || strings.Contains(e.URI, "/eventtypes/management/values")
}
