package management_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"midas/internal/api/management"
	"midas/internal/arm"
)

// providerDescription is what clients read of a provider.
type providerDescription struct {
	ID, Namespace, RegistrationState, RegistrationPolicy string
	ResourceTypes                                        []struct {
		ResourceType, DefaultAPIVersion, Capabilities string
		Locations, APIVersions                        []string
	}
}

// Clients choose an api-version and a location from the description of a type, and register a provider that the
// list does not show as registered.
func TestCatalogueDescribesEveryServedProvider(t *testing.T) {
	s := newStackOf(t, defaults)
	var all struct{ Value []providerDescription }
	decode(t, s.want(t, 200, "reader", "GET", "{sub}/providers?api-version=2022-09-01", ""), &all)
	found := map[string]providerDescription{}
	for _, p := range all.Value {
		found[p.Namespace] = p
		if p.ID != "/subscriptions/"+sub+"/providers/"+p.Namespace || p.RegistrationState != "Registered" || len(p.ResourceTypes) == 0 {
			t.Errorf("%s: %s %s, %d types", p.Namespace, p.ID, p.RegistrationState, len(p.ResourceTypes))
		}
		seen := map[string]bool{}
		for _, typ := range p.ResourceTypes {
			name := arm.Fold(typ.ResourceType)
			if seen[name] || len(typ.APIVersions) == 0 && name != "operations" || typ.Capabilities == "" || len(typ.APIVersions) > 0 && !slices.Contains(typ.APIVersions, typ.DefaultAPIVersion) {
				t.Errorf("%s/%s: %+v", p.Namespace, typ.ResourceType, typ)
			}
			seen[name] = true
			if !slices.IsSortedFunc(typ.APIVersions, func(a, b string) int { return arm.Version(b).Compare(arm.Version(a)) }) {
				t.Errorf("%s/%s: the versions are not sorted: %v", p.Namespace, typ.ResourceType, typ.APIVersions)
			}
		}
	}
	for _, namespace := range append(management.DefaultNamespaces(), "Microsoft.Resources", "Microsoft.Authorization", "Microsoft.ManagedIdentity") {
		if _, listed := found[namespace]; !listed {
			t.Errorf("%s is not listed", namespace)
		}
	}
	for path, want := range map[string]string{
		"Microsoft.Web/sites": "SupportsTags", "Microsoft.Compute/virtualMachines": "SupportsTags", "Microsoft.Compute/disks": "SupportsTags",
		"Microsoft.ManagedIdentity/userAssignedIdentities": "SupportsTags", "Microsoft.ManagedIdentity/identities": "SupportsExtension",
		"Microsoft.Network/virtualNetworks/subnets": "None", "Microsoft.Sql/servers/databases": "SupportsTags", "Microsoft.Authorization/roleAssignments": "SupportsExtension",
		"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials": "None",
	} {
		namespace, typ, _ := strings.Cut(path, "/")
		types := found[namespace].ResourceTypes
		at := slices.IndexFunc(types, func(described struct {
			ResourceType, DefaultAPIVersion, Capabilities string
			Locations, APIVersions                        []string
		}) bool {
			return described.ResourceType == typ
		})
		if at < 0 || !strings.Contains(types[at].Capabilities, want) || (want == "SupportsTags") != slices.Contains(types[at].Locations, "East US") && want != "None" {
			t.Errorf("%s: %d", path, at)
		}
	}
}

// Fields that an api-version does not have are left out; at the tenant there is no registration.
func TestProviderDescriptionByVersionAndScope(t *testing.T) {
	s := newStackOf(t, defaults)
	old := s.want(t, 200, "reader", "GET", "{sub}/providers/microsoft.web?api-version=2018-05-01", "").Body.String()
	if strings.Contains(old, "defaultApiVersion") || strings.Contains(old, "capabilities") || !strings.Contains(old, `"namespace":"Microsoft.Web"`) {
		t.Error(old)
	}
	tenant := s.want(t, 200, "nobody", "GET", "/providers/Microsoft.Web?api-version=2022-09-01", "").Body.String()
	if strings.Contains(tenant, `"id"`) || strings.Contains(tenant, "registrationState") || !strings.Contains(tenant, "defaultApiVersion") {
		t.Error(tenant)
	}
	types := s.want(t, 200, "reader", "GET", "{sub}/providers/Microsoft.Web/resourceTypes?api-version=2022-09-01", "").Body.String()
	if !strings.HasPrefix(types, `{"value":[{"resourceType":`) {
		t.Error(types)
	}
	s.want(t, 200, "reader", "GET", "{sub}/providers/Microsoft.Web/providerPermissions?api-version=2022-09-01", "")
	s.want(t, 403, "nobody", "GET", "{sub}/providers/Microsoft.Web/resourceTypes?api-version=2022-09-01", "")
	s.want(t, 404, "owner", "GET", "/providers/Microsoft.None/operations?api-version=2022-09-01", "")
}

// The actions that the operation table checks are those that a provider lists.
func TestOperationsOfProviders(t *testing.T) {
	s := newStackOf(t, defaults)
	var list struct {
		Value []struct {
			Name    string
			Display struct{ Provider, Resource, Operation, Description string }
		}
	}
	decode(t, s.want(t, 200, "nobody", "GET", "/providers/Microsoft.Authorization/operations?api-version=2022-04-01", ""), &list)
	var names []string
	for _, op := range list.Value {
		names = append(names, op.Name)
		if op.Display.Provider == "" || op.Display.Resource == "" || op.Display.Operation == "" || op.Display.Description == "" {
			t.Errorf("%+v", op)
		}
	}
	for _, want := range []string{"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/denyAssignments/read"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
	}
	web := s.want(t, 200, "nobody", "GET", "/providers/Microsoft.Web/operations?api-version=2024-11-01", "").Body.String()
	if !strings.Contains(web, `"Microsoft.Web/sites/write"`) || !strings.Contains(web, `"Microsoft.Web/register/action"`) {
		t.Error(web)
	}
	identity := s.want(t, 200, "nobody", "GET", "/providers/Microsoft.Authorization/providerOperations/microsoft.managedidentity?api-version=2022-04-01&$expand=resourceTypes", "").Body.String()
	if !strings.Contains(identity, `"name":"userAssignedIdentities"`) || !strings.Contains(identity, `"name":"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"`) || !strings.Contains(identity, `"isDataAction":false`) {
		t.Error(identity)
	}
	all := s.want(t, 200, "nobody", "GET", "/providers/Microsoft.Authorization/providerOperations?api-version=2018-01-01-preview", "").Body.String()
	if !strings.Contains(all, `"Microsoft.Storage"`) || strings.Contains(all, "storageAccounts/write") {
		t.Error("the list without $expand has the operations of types, or lacks a provider")
	}
	vault := s.want(t, 200, "nobody", "GET", "/providers/Microsoft.Authorization/providerOperations/Microsoft.KeyVault?api-version=2022-04-01&$expand=resourceTypes", "").Body.String()
	for _, want := range []string{`"name":"Microsoft.KeyVault/vaults/secrets/getSecret/action"`, `"isDataAction":true`, `"isDataAction":false`} {
		if !strings.Contains(vault, want) {
			t.Errorf("the operations of Microsoft.KeyVault do not have %s: %s", want, vault)
		}
	}
	s.want(t, 404, "nobody", "GET", "/providers/Microsoft.Authorization/providerOperations/Microsoft.None?api-version=2022-04-01", "")
}

// Registration is a state of a subscription. Nothing is created in a provider that is unregistered; what
// exists prevents unregistering.
func TestRegistrationIsAState(t *testing.T) {
	s := newStack(t)
	const site, web, version = "{sub}/resourceGroups/rg/providers/Microsoft.Web/sites/s?api-version=2024-04-01", "{sub}/providers/Microsoft.Web", "?api-version=2022-09-01"
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", site, `{"location":"eastus"}`)
	if w := s.want(t, 409, "owner", "POST", web+"/unregister"+version, ""); !strings.Contains(w.Body.String(), "ProviderInUse") {
		t.Error(w.Body)
	}
	s.want(t, 200, "owner", "DELETE", site, "")
	s.want(t, 403, "reader", "POST", web+"/unregister"+version, "")
	state := func(want string) {
		t.Helper()
		for _, path := range []string{web + version, "{sub}/providers/MICROSOFT.WEB" + version} {
			if w := s.want(t, 200, "reader", "GET", path, ""); !strings.Contains(w.Body.String(), `"registrationState":"`+want+`"`) {
				t.Errorf("want %s: %.200s", want, w.Body)
			}
		}
	}
	state("Registered")
	for range 2 { // the second changes nothing
		s.want(t, 200, "owner", "POST", web+"/unregister"+version, "")
		state("Unregistered")
	}
	w := s.want(t, 409, "owner", "PUT", site, `{"location":"eastus"}`)
	const text = "The subscription is not registered to use namespace 'Microsoft.Web'. See https://aka.ms/rps-not-found for how to register subscriptions."
	var got, want any
	decode(t, w, &got)
	must(t, json.Unmarshal([]byte(`{"error":{"code":"MissingSubscriptionRegistration","message":"`+text+`","details":[{"code":"MissingSubscriptionRegistration","message":"`+text+`","target":"Microsoft.Web"}]}}`), &want))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s", w.Body)
	}
	s.want(t, 409, "owner", "PATCH", site, `{}`)
	s.want(t, 404, "owner", "GET", site, "")
	s.want(t, 403, "nobody", "PUT", site, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", strings.Replace(site, "Microsoft.Web/sites", "Microsoft.Search/searchServices", 1), `{"location":"eastus"}`)
	for range 2 {
		s.want(t, 200, "owner", "POST", web+"/register"+version, `{"thirdPartyProviderConsent":{"consentToAuthorization":true}}`)
		state("Registered")
	}
	s.want(t, 201, "owner", "PUT", site, `{"location":"eastus"}`)
	s.want(t, 400, "owner", "POST", "{sub}/providers/Microsoft.Resources/unregister"+version, "")
	s.want(t, 200, "owner", "POST", "{sub}/providers/Microsoft.Resources/register"+version, "")
	s.want(t, 404, "owner", "POST", "{sub}/providers/Microsoft.None/unregister"+version, "")
}

// Where all providers are served, the number of names that a subscription can store is bounded.
func TestUnregisteredProvidersAreBounded(t *testing.T) {
	s := newStackOf(t, func(h *management.Handler) { h.Namespaces = []string{management.AllNamespaces} })
	status := http.StatusOK
	for i := range 251 {
		status = s.do(t, "owner", "POST", fmt.Sprintf("{sub}/providers/Contoso.N%d/unregister%s", i, core), "").Code
		if status != http.StatusOK && i < 250 {
			t.Fatalf("number %d: %d", i, status)
		}
	}
	if status != http.StatusBadRequest {
		t.Errorf("number 251: %d", status)
	}
	s.want(t, 200, "owner", "POST", "{sub}/providers/Contoso.N7/register"+core, "")
	s.want(t, 200, "owner", "POST", "{sub}/providers/Contoso.N251/unregister"+core, "")
}

func TestCheckResourceName(t *testing.T) {
	s := newStack(t)
	const path = "/providers/Microsoft.Resources/checkResourceName?api-version=2022-12-01"
	for name, want := range map[string]string{
		"app": "Allowed", "azure": "Reserved", "azureapp": "Allowed", "myMicrosoftApp": "Reserved", "WINDOWS": "Reserved", "loginpage": "Reserved",
		"mylogin": "Allowed", "xbox1": "Reserved", "isxbox": "Allowed", "web.config": "Reserved",
	} {
		if w := s.want(t, 200, "nobody", "POST", path, `{"name":"`+name+`","type":"Microsoft.Web/sites"}`); !strings.Contains(w.Body.String(), `"status":"`+want+`"`) {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
	s.want(t, 400, "nobody", "POST", path, `{"name":"x"}`)
	s.want(t, 400, "nobody", "POST", path, `{"name":"x","type":"sites"}`)
	s.want(t, 401, "", "POST", path, `{"name":"x","type":"A.B/c"}`)
	s.want(t, 404, "nobody", "POST", "/providers/Microsoft.Web/checkResourceName?api-version=2022-12-01", `{"name":"x","type":"A.B/c"}`)
}

func TestZonePeers(t *testing.T) {
	s := newStack(t)
	const path = "{sub}/providers/Microsoft.Resources/checkZonePeers/?api-version=2022-12-01"
	for _, spelled := range []string{"subscriptions/" + sub, "/subscriptions/" + sub, strings.ReplaceAll(sub, "-", "")} {
		w := s.want(t, 200, "contributor", "POST", path, `{"location":"East US","subscriptionIds":["`+spelled+`"]}`)
		if !strings.Contains(w.Body.String(), `{"availabilityZone":"3","peers":[{"subscriptionId":"`+sub+`","availabilityZone":"3"}]}`) {
			t.Errorf("%s: %s", spelled, w.Body)
		}
	}
	if w := s.want(t, 200, "contributor", "POST", path, `{"location":"westus","subscriptionIds":["`+sub+`"]}`); !strings.Contains(w.Body.String(), `"availabilityZonePeers":[]`) {
		t.Error(w.Body)
	}
	// A subscription of another tenant looks like one that does not exist.
	foreign := s.want(t, 404, "owner", "POST", path, `{"location":"eastus","subscriptionIds":["`+otherSub+`"]}`).Body.String()
	absent := s.want(t, 404, "owner", "POST", path, `{"location":"eastus","subscriptionIds":["33333333-0000-0000-0000-000000000000"]}`).Body.String()
	if strings.ReplaceAll(foreign, otherSub, "") != strings.ReplaceAll(absent, "33333333-0000-0000-0000-000000000000", "") {
		t.Errorf("%s\n%s", foreign, absent)
	}
	s.want(t, 400, "owner", "POST", path, `{"location":"eastus","subscriptionIds":["x"]}`)
	s.want(t, 400, "owner", "POST", path, `{"location":"eastus","subscriptionIds":[]}`)
	s.want(t, 400, "owner", "POST", path, `{"location":"eastus","subscriptionIds":[`+strings.Repeat(`"x",`, 100)+`"x"]}`)
	s.want(t, 403, "reader", "POST", path, `{"location":"eastus","subscriptionIds":["`+sub+`"]}`)
}

// exportedTemplate is what exportTemplate answers.
type exportedTemplate struct {
	Template struct {
		Schema     string `json:"$schema"`
		Parameters map[string]struct{ DefaultValue *string }
		Resources  []map[string]any
	}
	Error *struct {
		Code    string
		Details []struct{ Code, Target string }
	}
}

func (s *stack) export(t *testing.T, caller, body string) exportedTemplate {
	t.Helper()
	var out exportedTemplate
	decode(t, s.want(t, 200, caller, "POST", "{sub}/resourcegroups/rg/exportTemplate?api-version=2021-04-01", body), &out)
	return out
}

func TestExportTemplate(t *testing.T) {
	s := newStack(t)
	const app = "{sub}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	const job = "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/a-b"
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", app+"?api-version=2023-01-31", `{"location":"eastus","tags":{"a":"[1]"}}`)
	s.want(t, 201, "owner", "PUT", app+"/federatedIdentityCredentials/fic?api-version=2023-01-31", `{"properties":{"issuer":"https://i","subject":"it's","audiences":["a"]}}`)
	s.want(t, 201, "owner", "PUT", job+compute24, strings.ReplaceAll(`{"location":"eastus","sku":{"name":"s"},"identity":{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"`+app+`":{}}},"properties":{"text":"[concat('x')]","list":["[b]",{"c":"[d"}],"n":1.50}}`, "{sub}", "/subscriptions/"+sub))
	s.want(t, 201, "owner", "PUT", strings.Replace(job, "a-b", "a_b", 1)+compute24, `{"location":"eastus"}`)

	out := s.export(t, "contributor", `{"resources":["*"],"options":"IncludeParameterDefaultValue, IncludeComments"}`)
	if out.Error != nil || len(out.Template.Resources) != 4 || !strings.HasSuffix(out.Template.Schema, "/deploymentTemplate.json#") {
		t.Fatalf("%+v", out)
	}
	if len(out.Template.Parameters) != 3 || *out.Template.Parameters["userAssignedIdentities_app_name"].DefaultValue != "app" {
		t.Errorf("%v", out.Template.Parameters)
	}
	byType := map[string]map[string]any{}
	for _, resource := range out.Template.Resources {
		byType[resource["type"].(string)+fmt.Sprint(resource["sku"] != nil)] = resource
		if resource["id"] != nil || resource["apiVersion"] == "" {
			t.Errorf("%v", resource)
		}
	}
	for key, want := range map[string]string{
		"Microsoft.ManagedIdentity/userAssignedIdentitiesfalse":                              `{"apiVersion":"2026-05-31","location":"eastus","name":"[parameters('userAssignedIdentities_app_name')]","tags":{"a":"[[1]"},"type":"Microsoft.ManagedIdentity/userAssignedIdentities"}`,
		"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentialsfalse": `{"apiVersion":"2026-05-31","dependsOn":["[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', parameters('userAssignedIdentities_app_name'))]"],"name":"[concat(parameters('userAssignedIdentities_app_name'), '/fic')]","properties":{"audiences":["a"],"issuer":"https://i","subject":"it's"},"type":"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"}`,
		"Contoso.Apps/jobstrue": `{"apiVersion":"2025-04-01","identity":{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{"/subscriptions/` + sub + `/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app":{}}},"location":"eastus","name":"[parameters('jobs_a_b_name')]","properties":{"list":["[[b]",{"c":"[d"}],"n":1.5,"text":"[[concat('x')]"},"sku":{"name":"s"},"type":"Contoso.Apps/jobs"}`,
	} {
		got, err := json.Marshal(byType[key])
		must(t, err)
		if string(got) != want {
			t.Errorf("%s\n got %s\nwant %s", key, got, want)
		}
	}

	one := s.export(t, "owner", strings.ReplaceAll(`{"resources":["`+job+`","{sub}/resourceGroups/RG/providers/Contoso.Apps/jobs/none"],"options":"SkipResourceNameParameterization"}`, "{sub}", "/subscriptions/"+sub))
	if len(one.Template.Resources) != 1 || one.Template.Resources[0]["name"] != "a-b" || len(one.Template.Parameters) != 0 ||
		one.Error == nil || one.Error.Code != "ExportTemplateCompletedWithErrors" || len(one.Error.Details) != 1 || !strings.HasSuffix(one.Error.Details[0].Target, "/jobs/none") {
		t.Errorf("%+v", one)
	}
	again := s.export(t, "owner", `{"resources":["*"]}`)
	if p, declared := again.Template.Parameters["userAssignedIdentities_app_name"]; !declared || p.DefaultValue != nil {
		t.Errorf("%+v", again.Template.Parameters)
	}
}

func TestExportTemplateRefusals(t *testing.T) {
	s := newStack(t)
	const path = "{sub}/resourceGroups/rg/exportTemplate?api-version=2021-04-01"
	s.want(t, 404, "owner", "POST", path, `{"resources":["*"]}`)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 400, "owner", "POST", path, `{}`)
	for _, id := range []string{"", "x", "/subscriptions/" + sub, "/subscriptions/" + sub + "/resourceGroups/rg", "/subscriptions/" + sub + "/resourceGroups/rg2/providers/A.B/c/d"} {
		s.want(t, 400, "owner", "POST", path, `{"resources":["`+id+`"]}`)
	}
	s.want(t, 403, "reader", "POST", path, `{"resources":["*"]}`)
	named := strings.Repeat(`"/subscriptions/`+sub+`/resourceGroups/rg/providers/A.B/c/d",`, 200)
	s.want(t, 400, "owner", "POST", path, `{"resources":[`+named+named[:len(named)-1]+`]}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	if body := s.want(t, 200, "owner", "POST", path, `{"resources":["*"]}`).Body.String(); strings.Contains(body, "vmId") || strings.Contains(body, "timeCreated") {
		t.Errorf("the template has properties that a deployment cannot set: %s", body)
	}
	for i := range 201 {
		s.want(t, 201, "owner", "PUT", fmt.Sprintf("{sub}/resourceGroups/rg/providers/A.B/c/d%d%s", i, compute24), `{}`)
	}
	if w := s.want(t, 400, "owner", "POST", path, `{"resources":["*"]}`); !regexp.MustCompile("ExportTemplateResourceLimitExceeded").MatchString(w.Body.String()) {
		t.Error(w.Body)
	}
}
