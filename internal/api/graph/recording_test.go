package graph_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"midas/internal/directory"
	"midas/internal/store"
)

const recordings = "../../../../shared/azure/recordings/azure-cli/"

// interaction is one request and response of a recording from the Azure CLI's own tests.
type interaction struct {
	Request struct {
		Method, URI string
		Body        *string
	}
	Response struct {
		Status struct{ Code int }
		Body   struct{ String string }
	}
}

func readRecording(t *testing.T, name string) []interaction {
	t.Helper()
	data, err := os.ReadFile(recordings + name + ".yaml")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recordings are not here")
	}
	must(t, err)
	var file struct{ Interactions []interaction }
	must(t, yaml.Unmarshal(data, &file))
	return slices.DeleteFunc(file.Interactions, func(i interaction) bool {
		return !strings.HasPrefix(i.Request.URI, "https://graph.microsoft.com/v1.0/")
	})
}

// free matches the properties whose values differ from run to run, or which each server may choose.
var free = regexp.MustCompile(`\.(date|request-id|client-request-id|createdDateTime|renewedDateTime|hint|secretText|securityIdentifier|appOwnerOrganizationId)$`)

// different lists the values that differ here on purpose, by the end of their JSON path.
var different = map[string]string{
	".publisherDomain":                 "domains of applications are not verified",
	".signInAudience":                  "applications are for their own tenant unless they say otherwise",
	".api.requestedAccessTokenVersion": "null, which is what that audience gives",
}

// TestRecordingsOfTheAzureCLI sends the recorded requests and compares the responses: they must have the same
// status and the same properties, and the same values except those that free and different list.
func TestRecordingsOfTheAzureCLI(t *testing.T) {
	for _, name := range []string{"test_group_scenario", "test_app_scenario", "test_create_for_rbac_password", "test_sp_show_exit_code"} {
		t.Run(name, func(t *testing.T) {
			all := readRecording(t, name)
			if len(all) == 0 {
				t.Fatal("nothing was recorded")
			}
			r := &replay{T: t, stack: newStack(t), ours: map[string]string{
				"AzureSDKTeam.onmicrosoft.com": "example.com", "azuresdkteam.onmicrosoft.com": "example.com",
			}}
			r.stack.update(t, func(tx store.Tx) error {
				return r.stack.directory.PutTenant(tx, directory.Tenant{ID: tenant, DisplayName: "Test", DefaultDomain: "example.com"})
			})
			for _, i := range all {
				r.exchange(i)
			}
		})
	}
}

type replay struct {
	*testing.T
	stack *stack
	ours  map[string]string // ids and names of this server, by those of the recording
}

func (r *replay) translate(s string) string {
	for theirs, ours := range r.ours {
		s = strings.ReplaceAll(s, theirs, ours)
	}
	return s
}

func (r *replay) exchange(i interaction) {
	r.Helper()
	u, err := url.Parse(i.Request.URI)
	must(r, err)
	body := ""
	if i.Request.Body != nil {
		body = r.translate(*i.Request.Body)
	}
	at := i.Request.Method + " " + u.RequestURI()
	w := r.stack.send(r, "ga", i.Request.Method, r.translate(u.RequestURI()), body, "Host: graph.microsoft.com")
	if w.Code != i.Response.Status.Code {
		r.Fatalf("%s: %d %s\nrecorded %d %s", at, w.Code, w.Body, i.Response.Status.Code, i.Response.Body.String)
	}
	var theirs, ours any
	if i.Response.Body.String == "" {
		if w.Body.Len() > 0 {
			r.Errorf("%s: got a body, want none: %s", at, w.Body)
		}
		return
	}
	must(r, json.Unmarshal([]byte(i.Response.Body.String), &theirs))
	must(r, json.Unmarshal(w.Body.Bytes(), &ours))
	r.normalize(theirs)
	r.normalize(ours)
	r.bind(theirs, ours)
	for _, diff := range r.compare("", theirs, ours) {
		r.Errorf("%s: %s", at, diff)
	}
}

// normalize sorts lists, because Graph does not define their order.
func (r *replay) normalize(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			r.normalize(inner)
		}
	case []any:
		key := func(v any) string {
			if o, ok := v.(map[string]any); ok {
				return fmt.Sprint(o["@odata.type"], o["displayName"], o["value"], o["resourceAppId"], o["uri"])
			}
			return r.translate(fmt.Sprint(v))
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(key(a), key(b)) })
		for _, inner := range v {
			r.normalize(inner)
		}
	}
}

// newer matches the properties that Graph has added since the oldest recordings.
var newer = regexp.MustCompile(`\.(samlMetadataUrl|servicePrincipalLockConfiguration|requestSignatureVerification|redirectUriSettings|uniqueName|nativeAuthenticationApisEnabled)$`)

// bind maps the ids of the recording to the ids of this server.
func (r *replay) bind(theirs, ours any) {
	switch t := theirs.(type) {
	case map[string]any:
		o, _ := ours.(map[string]any)
		for name, v := range t {
			their, isText := v.(string)
			our, both := o[name].(string)
			if isText && both && (name == "id" || name == "appId" || name == "keyId") {
				r.ours[their] = our
			}
			r.bind(v, o[name])
		}
	case []any:
		o, _ := ours.([]any)
		for i := range min(len(t), len(o)) {
			r.bind(t[i], o[i])
		}
	}
}

func (r *replay) compare(at string, theirs, ours any) (diffs []string) {
	for end := range different {
		if strings.HasSuffix(at, end) {
			return nil
		}
	}
	switch t := theirs.(type) {
	case map[string]any:
		o, ok := ours.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %v, recorded %v", at, ours, theirs)}
		}
		names := maps.Clone(t)
		maps.Copy(names, o)
		for name := range names {
			_, there := t[name]
			_, here := o[name]
			if here && !there && newer.MatchString("."+name) {
				continue
			}
			if there != here {
				diffs = append(diffs, fmt.Sprintf("%s.%s: here %v, recorded %v", at, name, here, there))
				continue
			}
			diffs = append(diffs, r.compare(at+"."+name, t[name], o[name])...)
		}
		return diffs
	case []any:
		o, ok := ours.([]any)
		if !ok || len(t) != len(o) {
			return []string{fmt.Sprintf("%s: %v, recorded %v", at, ours, theirs)}
		}
		for i := range t {
			diffs = append(diffs, r.compare(at, t[i], o[i])...)
		}
		return diffs
	case string:
		theirs = r.translate(t)
	}
	if free.MatchString(at) {
		return nil
	}
	if theirs != ours {
		return []string{fmt.Sprintf("%s: %v, recorded %v", at, ours, theirs)}
	}
	return nil
}

// TestManagedIdentityMatchesRecording compares the principal of a managed identity with the one in a
// recording. Entra's has a certificate and a name that Microsoft's own services use.
func TestManagedIdentityMatchesRecording(t *testing.T) {
	all := readRecording(t, "test_role_assignment_audits")
	i := slices.IndexFunc(all, func(i interaction) bool { return strings.Contains(i.Response.Body.String, "ManagedIdentity") })
	if i < 0 {
		t.Fatal("no managed identity was recorded")
	}
	var recorded struct{ Value []map[string]any }
	must(t, json.Unmarshal([]byte(all[i].Response.Body.String), &recorded))
	s := newStack(t)
	a := s.want(t, 200, "ga", "POST", "directoryObjects/getByIds", `{"ids":["{nobody}"],"types":["user","group","servicePrincipal","directoryObjectPartnerReference"]}`)
	ours := a["value"].([]any)[0].(map[string]any)
	for _, v := range recorded.Value {
		if v["servicePrincipalType"] != "ManagedIdentity" {
			continue
		}
		for name, theirs := range v {
			our, here := ours[name]
			switch {
			case !here:
				t.Errorf("%s is missing", name)
			case theirs == nil && our != nil:
				t.Errorf("%s: %v, recorded null", name, our)
			case fmt.Sprintf("%T", theirs) != fmt.Sprintf("%T", our):
				t.Errorf("%s: %v, recorded %v", name, our, theirs)
			}
		}
		for name := range ours {
			if _, there := v[name]; !there {
				t.Errorf("%s was not recorded", name)
			}
		}
	}
}
