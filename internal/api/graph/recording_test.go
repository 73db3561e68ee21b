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

	"github.com/google/uuid"
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

		Headers map[string][]string
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
var free = regexp.MustCompile(`\.(date|request-id|client-request-id|createdDateTime|renewedDateTime|hint|secretText|securityIdentifier)$`)

// managed matches the values that Azure generates for a managed identity.
var managed = regexp.MustCompile(`\.keyCredentials\.(customKeyIdentifier|keyId|startDateTime|endDateTime)$`)

// formerDefaults are values that Graph gave to new applications until 2024, with those of today.
var formerDefaults = map[string]struct{ recorded, here any }{
	".signInAudience":                  {"AzureADandPersonalMicrosoftAccount", "AzureADMyOrg"},
	".api.requestedAccessTokenVersion": {2.0, nil},
}

// TestRecordingsOfTheAzureCLI sends the recorded requests to Microsoft Graph and compares the responses: they
// must have the same status, Location and properties, and the same values except those that free and
// formerDefaults list.
func TestRecordingsOfTheAzureCLI(t *testing.T) {
	for _, name := range []string{"test_group_scenario", "test_app_scenario", "test_create_for_rbac_password", "test_sp_show_exit_code", "test_role_assignment_audits"} {
		t.Run(name, func(t *testing.T) {
			all := readRecording(t, name)
			if len(all) == 0 {
				t.Fatal("nothing was recorded")
			}
			r := &replay{T: t, stack: newStack(t), ours: map[string]string{
				"AzureSDKTeam.onmicrosoft.com": "example.com", "azuresdkteam.onmicrosoft.com": "example.com",
				"54826b22-38d6-4fb2-bad9-b7b93a3e9c5a": tenant,
			}}
			r.stack.update(t, func(tx store.Tx) error {
				return r.stack.directory.PutTenant(tx, directory.Tenant{ID: tenant, DisplayName: "Test", DefaultDomain: "example.com"})
			})
			r.createManagedIdentities(all)
			for _, i := range all {
				r.exchange(i)
			}
		})
	}
}

// createManagedIdentities creates the managed identities in the responses. The recording's requests to Azure
// Resource Manager, which are not replayed here, have created them.
func (r *replay) createManagedIdentities(all []interaction) {
	for _, i := range all {
		var recorded struct {
			Value []struct {
				ID, AppID, DisplayName, ServicePrincipalType string
				AlternativeNames                             []string
			}
		}
		if json.Unmarshal([]byte(i.Response.Body.String), &recorded) != nil {
			continue
		}
		for _, v := range recorded.Value {
			if v.ServicePrincipalType != directory.TypeManagedIdentity || r.ours[v.ID] != "" {
				continue
			}
			p := directory.ServicePrincipal{
				ID: uuid.NewString(), AppID: uuid.NewString(), TenantID: tenant, DisplayName: v.DisplayName,
				Type: v.ServicePrincipalType, Enabled: true, AlternativeNames: v.AlternativeNames,
			}
			r.ours[v.ID], r.ours[v.AppID] = p.ID, p.AppID
			r.stack.update(r, func(tx store.Tx) error { return r.stack.directory.CreateServicePrincipal(tx, p) })
		}
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
	defer func() { // the ids in the URL are known from the body
		if want := r.translate(strings.Join(i.Response.Headers["location"], "")); w.Header().Get("Location") != want {
			r.Errorf("%s: Location %q, recorded %q", at, w.Header().Get("Location"), want)
		}
	}()
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
				return fmt.Sprint(o["@odata.type"], o["displayName"], o["value"], o["resourceAppId"], o["uri"], o["name"])
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
var newer = regexp.MustCompile(`\.(samlMetadataUrl|servicePrincipalLockConfiguration|requestSignatureVerification|redirectUriSettings|uniqueName|nativeAuthenticationApisEnabled|serviceProvisioningErrors)$`)

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
	for end, value := range formerDefaults {
		if strings.HasSuffix(at, end) && theirs == value.recorded && ours == value.here {
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
	if free.MatchString(at) || managed.MatchString(at) && r.Name() == "TestRecordingsOfTheAzureCLI/test_role_assignment_audits" {
		return nil
	}
	if name, _ := ours.(string); strings.HasSuffix(at, ".servicePrincipalNames") && strings.HasPrefix(name, directory.ManagedNames) {
		ours = theirs // it differs from identity to identity
	}
	if theirs != ours {
		return []string{fmt.Sprintf("%s: %v, recorded %v", at, ours, theirs)}
	}
	return nil
}

// shape describes the types of a JSON value and its parts.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+":"+shape(v[name]))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		var parts []string
		for _, one := range v {
			parts = append(parts, shape(one))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return fmt.Sprintf("%T", v)
}

// TestManagedIdentityMatchesRecording compares the types of all properties of a managed identity's service
// principal with those in a recording.
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
			case shape(theirs) != shape(our):
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
