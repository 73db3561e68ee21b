package management_test

import (
	"encoding/json"
	"strings"
	"testing"

	"midas/internal/rbac"
)

// A caller whose roles are at one resource and at exportTemplate exports that resource only, and learns of no other.
func TestExportTemplateHidesWhatTheCallerMayNotRead(t *testing.T) {
	s := newStack(t)
	const secret = "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/hidden-job"
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for _, name := range []string{"mine", "theirs"} {
		s.want(t, 201, "owner", "PUT", uaiPath+name+someVersion, `{"location":"eastus"}`)
	}
	s.want(t, 201, "owner", "PUT", secret+compute24, `{"location":"eastus","tags":{"hidden-tag":"v"},"properties":{"hidden":"value"}}`)
	s.assignAt(t, "nobody", "Reader", uaiPath+"mine")
	export := func(body string) string {
		t.Helper()
		caller := rbac.Caller{TenantID: tenant, ObjectID: s.callers["nobody"].ID}
		out, err := s.management.ExportTemplate(t.Context(), caller, "/subscriptions/"+sub+"/resourceGroups/rg", strings.ReplaceAll(body, "{sub}", "/subscriptions/"+sub))
		must(t, err)
		encoded, err := json.Marshal(out)
		must(t, err)
		return string(encoded)
	}

	all := export(`{"resources":["*"],"options":"IncludeParameterDefaultValue"}`)
	if strings.Contains(all, "hidden") || strings.Contains(all, "theirs") {
		t.Errorf("the template of all shows other resources: %s", all)
	}
	if !strings.Contains(all, "userAssignedIdentities_mine_name") || strings.Count(all, "ExportTemplateProviderError") != 1 {
		t.Errorf("the template of all: %s", all)
	}
	// A resource that the caller may not read and one that does not exist have the same answer.
	there := export(`{"resources":["` + secret + `"]}`)
	none := export(`{"resources":["` + strings.ReplaceAll(secret, "hidden", "absent") + `"]}`)
	if strings.ReplaceAll(none, "absent", "hidden") != there || !strings.Contains(there, "ExportTemplateProviderError") {
		t.Errorf("got %s for a resource that exists, and %s for one that does not", there, none)
	}
	var named exportedTemplate
	must(t, json.Unmarshal([]byte(export(`{"resources":["`+uaiPath+`theirs","`+uaiPath+`mine"]}`)), &named))
	if len(named.Template.Resources) != 1 || named.Error == nil || len(named.Error.Details) != 1 || !strings.HasSuffix(named.Error.Details[0].Target, "/theirs") {
		t.Errorf("%+v", named)
	}
}
