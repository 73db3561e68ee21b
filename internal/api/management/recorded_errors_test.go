package management_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// recordedError is a refusal of the real Azure.
type recordedError struct {
	Method, URI, Body, Resp string
	Code                    int
	Headers                 map[string][]string

	error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
}

// recordedErrors reads the refusals of Azure Resource Manager.
func recordedErrors(t *testing.T) []recordedError {
	t.Helper()
	file, err := os.Open(filepath.Join(recordings(t), "errors.jsonl"))
	must(t, err)
	defer file.Close()
	var all []recordedError
	host := regexp.MustCompile(`^https://([a-z]+\.)?management\.azure\.com`)
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return all
		}
		var e recordedError
		must(t, json.Unmarshal(line, &e))
		body := struct{ Error any }{&e.error}
		if json.Unmarshal([]byte(e.Resp), &body) == nil && host.MatchString(e.URI) {
			e.URI = host.ReplaceAllString(e.URI, "")
			all = append(all, e)
		}
	}
}

const (
	uai = "Microsoft.ManagedIdentity/userAssignedIdentities"
	fic = "federatedIdentityCredentials"
)

// The paths of resources in the recordings, with the casing of a name's place left open.
var (
	aResource  = regexp.MustCompile(`(?i)^(/subscriptions/[^/]+/resourceGroups/([^/]+))/providers/([^/]+/[^/]+)/([^/?]+)\?`)
	aChild     = regexp.MustCompile(`(?i)^(/subscriptions/[^/]+/resourceGroups/([^/]+))/providers/([^/]+/[^/]+)/([^/]+)/([^/]+)(?:/([^/?]+))?\?`)
	aChildType = regexp.MustCompile(`of type '[^']+'`)
	aName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$`)
	aGroup     = regexp.MustCompile(`(?i)^/subscriptions/[^/]+/resourceGroups/([^/?]+)\?`)
	assignedTo = regexp.MustCompile(`(?i)^(/subscriptions/[^/]+/resourceGroups/([^/]+))(/providers/.+)?/providers/Microsoft\.Authorization/roleAssignments/[^/?]+\?`)
	aClient    = regexp.MustCompile(`client '([^']+)' with object id '([^']+)'`)
	aPrincipal = regexp.MustCompile(`"principalId": ?"([^"]+)"`)
	aRole      = regexp.MustCompile(`roleDefinitions/([0-9a-f-]{36})`)
)

// recast tells the same story with types that Midas has: other resources become identities, their
// children federated credentials, and scopes below a group the group. It says whether it can.
type recast func(t *testing.T, r *replay, e *recordedError) bool

// different is a place where Midas is known to answer otherwise. One that is not met any more fails
// the test, so that this list does not outlive what it excuses.
type different struct {
	code   string // of Azure's error
	ours   string // what our answer has
	azures string // what must stand there for the answer to be Azure's; "*" if nothing helps
	why    string
}

func differences() []different {
	return []different{
		{"ParentResourceNotFound", `{"error":{"code":"ParentResourceNotFound","message":"The parent user-assigned identity doesn't exist."}}`, "*",
			"the provider's documented words for federated credentials"},
	}
}

func (d different) explains(e recordedError, got, want string) bool {
	return d.code == e.error.Code && strings.Contains(got, d.ours) &&
		(d.azures == "*" || strings.Replace(got, d.ours, d.azures, 1) == want)
}

// TestErrorsMatchRecordedErrors provokes recorded refusals, and wants the same status, the
// same body after names and ids are replaced, and the same word on who has refused.
func TestErrorsMatchRecordedErrors(t *testing.T) {
	cases := map[string]struct {
		recast recast
		least  int
	}{
		"ResourceNotFound":       {recastResource, 700},
		"ResourceGroupNotFound":  {recastGroup, 9},
		"ParentResourceNotFound": {recastParent, 12},
		"AuthorizationFailed":    {recastAuthorization, 30},
		"RoleAssignmentExists":   {recastExisting, 2},
		"PrincipalNotFound":      {recastPrincipal, 12},
		"InvalidResourceType":    {recastType, 1},
	}
	r := newReplay(t)
	replayed, met := map[string]int{}, map[different]bool{}
	for _, e := range recordedErrors(t) {
		c, known := cases[e.error.Code]
		if known && c.recast(t, r, &e) {
			r.provoke(t, e, met)
			replayed[e.error.Code]++
		}
	}
	t.Log("replayed: ", replayed)
	for code, c := range cases {
		if replayed[code] < c.least {
			t.Errorf("%s was replayed %d times, not %d", code, replayed[code], c.least)
		}
	}
	for _, d := range differences() {
		if !met[d] {
			t.Errorf("%s is as Azure's now; differences() need no longer say: %s", d.code, d.why)
		}
	}
}

func (r *replay) provoke(t *testing.T, e recordedError, met map[different]bool) {
	t.Helper()
	caller := "owner"
	if e.Code == http.StatusForbidden {
		caller = "nobody"
	}
	w := r.do(t, caller, e.Method, r.text(e.URI), r.text(e.Body))
	got := strconv.Itoa(w.Code) + " " + w.Body.String() + cause(w.Header()["X-Ms-Failure-Cause"])
	want := strconv.Itoa(e.Code) + " " + r.text(quoted(map[string]any{"error": e.error})) + cause(e.Headers["x-ms-failure-cause"])
	if got == want {
		return
	}
	for _, d := range differences() {
		if d.explains(e, got, want) {
			met[d] = true
			return
		}
	}
	t.Errorf("%s %s\nAzure: %s\nMidas: %s", e.Method, e.URI, want, got)
}

func cause(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return "\nx-ms-failure-cause: " + strings.Join(values, ",")
}

// give makes sure that something is there.
func (r *replay) give(t *testing.T, path, body string) {
	t.Helper()
	if key := strings.ToLower(path); !r.given[key] {
		if w := r.do(t, "owner", "PUT", r.text(path), body); w.Code > 201 {
			t.Fatalf("PUT %s: %d %s", path, w.Code, w.Body)
		}
		r.given[key] = true
	}
}

// take makes sure that something that may have been given is there no more.
func (r *replay) take(t *testing.T, path string) {
	t.Helper()
	if key := strings.ToLower(path); r.given[key] {
		r.want(t, 200, "owner", "DELETE", r.text(path), "")
		delete(r.given, key)
	}
}

func (r *replay) giveGroup(t *testing.T, path string) { r.give(t, path+core, `{"location":"eastus"}`) }

const someVersion = "?api-version=2023-01-31"

// replaceType makes a type of Azure's one of ours in all that is said. The path keeps the caller's
// casing, where that was not the type's own.
func (e *recordedError) replaceType(theirs, ours string) {
	inPath := regexp.MustCompile("(?i)" + regexp.QuoteMeta(theirs))
	spelled := inPath.FindString(e.error.Message)
	e.URI = inPath.ReplaceAllStringFunc(e.URI, func(given string) string {
		if spelled != "" && given != spelled {
			return strings.ToLower(ours)
		}
		return ours
	})
	e.error.Message = inPath.ReplaceAllLiteralString(e.error.Message, ours)
}

// replaceVersion asks for a version that our type has.
func (e *recordedError) replaceVersion() {
	e.URI = strings.Split(e.URI, "?")[0] + someVersion
}

func recastResource(t *testing.T, r *replay, e *recordedError) bool {
	if len(e.Headers["x-ms-failure-cause"]) == 0 || !strings.HasSuffix(e.error.Message, "aka.ms/ARMResourceNotFoundFix") {
		return false // the provider's own words
	}
	if m := aResource.FindStringSubmatch(e.URI); m != nil {
		r.giveGroup(t, m[1])
		e.replaceType(m[3], uai)
		e.replaceVersion()
		r.take(t, e.URI)
		return true
	}
	m := aChild.FindStringSubmatch(e.URI)
	if m == nil || !aName.MatchString(m[4]) || !strings.Contains(e.error.Message, m[6]) {
		return false
	}
	r.giveGroup(t, m[1])
	r.give(t, m[1]+"/providers/"+uai+"/"+m[4]+someVersion, `{"location":"eastus"}`)
	e.replaceChild(m)
	return true
}

// replaceChild makes a child of a resource a federated credential of an identity.
func (e *recordedError) replaceChild(m []string) {
	e.replaceType(m[3], uai)
	e.replaceType("/"+m[5]+"/", "/"+fic+"/")
	e.replaceType("/"+m[5]+"?", "/"+fic+"?")
	e.replaceVersion()
}

func recastGroup(_ *testing.T, _ *replay, e *recordedError) bool {
	if m := aGroup.FindStringSubmatch(e.URI); m != nil {
		e.URI = strings.Split(e.URI, "?")[0] + core
		return true
	}
	m := aResource.FindStringSubmatch(e.URI)
	if m == nil {
		return false
	}
	e.replaceType(m[3], uai)
	e.replaceVersion()
	return true
}

func recastParent(t *testing.T, r *replay, e *recordedError) bool {
	m := aChild.FindStringSubmatch(e.URI)
	if m == nil {
		return false
	}
	if strings.HasPrefix(e.error.Message, "Can not perform requested operation") {
		return false // Azure's words until 2022
	}
	r.giveGroup(t, m[1])
	e.error.Message = aChildType.ReplaceAllLiteralString(e.error.Message, "of type 'userAssignedIdentities/"+fic+"'")
	e.Body = `{"properties":{"issuer":"https://issuer.test","subject":"s","audiences":["a"]}}`
	e.replaceChild(m)
	return true
}

func recastAuthorization(_ *testing.T, r *replay, e *recordedError) bool {
	client := aClient.FindStringSubmatch(e.error.Message)
	if m := assignedTo.FindStringSubmatch(e.URI); m != nil {
		e.URI, e.error.Message = strings.Replace(e.URI, m[3], "", 1), strings.Replace(e.error.Message, m[3], "", 1)
	} else if m := aResource.FindStringSubmatch(e.URI); m != nil {
		e.replaceType(m[3], uai)
		e.replaceVersion()
	} else {
		return false
	}
	nobody := r.callers["nobody"]
	e.error.Message = strings.NewReplacer(client[1], nobody.AppID, client[2], nobody.ID).Replace(e.error.Message)
	return true
}

// recastScope moves a role assignment to the resource group that it is in, and gives it a role that
// Midas has.
func recastScope(t *testing.T, r *replay, e *recordedError) bool {
	m := assignedTo.FindStringSubmatch(e.URI)
	if m == nil {
		return false
	}
	r.giveGroup(t, m[1])
	e.URI = strings.Replace(e.URI, m[3], "", 1)
	e.Body = aRole.ReplaceAllString(e.Body, "roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7")
	return true
}

func recastExisting(t *testing.T, r *replay, e *recordedError) bool {
	if !recastScope(t, r, e) {
		return false
	}
	e.Body = aPrincipal.ReplaceAllString(e.Body, `"principalId":"`+r.callers["nobody"].ID+`"`)
	other := regexp.MustCompile(`[0-9a-f]{8}\?`).ReplaceAllString(e.URI, "00000000?")
	r.give(t, other, r.text(e.Body))
	return true
}

func recastPrincipal(t *testing.T, r *replay, e *recordedError) bool {
	m := regexp.MustCompile(`the directory ([0-9a-f-]{36})`).FindStringSubmatch(e.error.Message)
	r.texts[m[1]] = tenant
	return recastScope(t, r, e)
}

func recastType(_ *testing.T, _ *replay, e *recordedError) bool {
	e.replaceType("Microsoft.Network", "Microsoft.ManagedIdentity")
	return true
}

// TestActivityLogErrorsMatchRecordedErrors leaves out the shape of the error: Azure's log has its own
// one, and Midas that of all the rest.
func TestActivityLogErrorsMatchRecordedErrors(t *testing.T) {
	r := newReplay(t)
	raw, err := os.ReadFile(filepath.Join(recordings(t), "errors.jsonl"))
	must(t, err)
	replayed := 0
	for line := range bytes.Lines(raw) {
		var e recordedError
		must(t, json.Unmarshal(line, &e))
		if !strings.Contains(e.URI, "/eventtypes/management/values?") {
			continue
		}
		w := r.do(t, "owner", e.Method, r.text(strings.TrimPrefix(e.URI, "https://management.azure.com")), "")
		if want := `{"error":` + e.Resp + `}`; w.Code != e.Code || w.Body.String() != want {
			t.Errorf("%d %s, Azure: %d %s", w.Code, w.Body, e.Code, want)
		}
		replayed++
	}
	if replayed == 0 {
		t.Error("nothing was replayed")
	}
}
