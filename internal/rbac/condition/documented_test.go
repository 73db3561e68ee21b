package condition_test

import (
	"strings"
	"testing"
	"time"

	"midas/internal/arm"
	"midas/internal/rbac/condition"
)

const blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"

// TestStorageConditionsAsInAzureDocuments evaluates conditions of the kinds that Azure documents for blobs. Each is for reading a
// blob; set has attributes as source, name and JSON.
func TestStorageConditionsAsInAzureDocuments(t *testing.T) {
	const tag = blobs + "/tags:Project<$key_case_sensitive$>"
	for name, tc := range map[string]struct {
		constraint string
		set        []string // @Source[name] and JSON
		want       string
	}{
		"tag":                      {"@Resource[" + tag + "] StringEquals 'Cascade'", []string{"@Resource[" + tag + "]", `"Cascade"`}, "true"},
		"another tag":              {"@Resource[" + tag + "] StringEquals 'Cascade'", []string{"@Resource[" + tag + "]", `"Baker"`}, "false"},
		"no tag":                   {"@Resource[" + tag + "] StringEquals 'Cascade'", nil, "?"},
		"keys of tags":             {"@Request[" + blobs + "/tags&$keys$&] ForAllOfAnyValues:StringEquals {'Project', 'Program'}", []string{"@Request[" + blobs + "/tags&$keys$&]", `["Program"]`}, "true"},
		"another key":              {"@Request[" + blobs + "/tags&$keys$&] ForAllOfAnyValues:StringEquals {'Project', 'Program'}", []string{"@Request[" + blobs + "/tags&$keys$&]", `["Program", "x"]`}, "false"},
		"path":                     {"@Resource[" + blobs + ":path] StringLike 'readonly/*'", []string{"@Resource[" + blobs + ":path]", `"readonly/a.txt"`}, "true"},
		"version, current":         {"@Request[" + blobs + ":versionId] DateTimeEquals '2022-06-01T23:38:32.8883645Z' OR @Resource[" + blobs + ":isCurrentVersion] BoolEquals true", []string{"@Resource[" + blobs + ":isCurrentVersion]", "true"}, "true"},
		"version, given":           {"@Request[" + blobs + ":versionId] DateTimeEquals '2022-06-01T23:38:32.8883645Z' OR NOT Exists @Request[" + blobs + ":versionId]", []string{"@Request[" + blobs + ":versionId]", `"2022-06-01T23:38:32.8883645Z"`}, "true"},
		"version, none":            {"@Request[" + blobs + ":versionId] DateTimeEquals '2022-06-01T23:38:32.8883645Z' OR NOT Exists @Request[" + blobs + ":versionId]", nil, "true"},
		"version, other":           {"@Request[" + blobs + ":versionId] DateTimeEquals '2022-06-01T23:38:32.8883645Z' OR NOT Exists @Request[" + blobs + ":versionId]", []string{"@Request[" + blobs + ":versionId]", `"2022-06-01T23:38:32.8883646Z"`}, "false"},
		"hierarchical namespace":   {"@Resource[Microsoft.Storage/storageAccounts:isHnsEnabled] BoolEquals true", []string{"@Resource[Microsoft.Storage/storageAccounts:isHnsEnabled]", "true"}, "true"},
		"encryption scope":         {"@Resource[Microsoft.Storage/storageAccounts/encryptionScopes:name] ForAnyOfAnyValues:StringEquals {'validScope1', 'validScope2'}", []string{"@Resource[Microsoft.Storage/storageAccounts/encryptionScopes:name]", `"validScope2"`}, "true"},
		"attribute of principal":   {"@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project] StringEquals @Resource[" + tag + "]", []string{"@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project]", `"Cascade"`, "@Resource[" + tag + "]", `"Cascade"`}, "true"},
		"principal without it":     {"@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project] StringEquals @Resource[" + tag + "]", []string{"@Resource[" + tag + "]", `"Cascade"`}, "?"},
		"private link, public too": {"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringNotEquals 'secret' OR @Environment[isPrivateLink] BoolEquals true", []string{"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]", `"public"`}, "true"},
		"private link, absent":     {"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringNotEquals 'secret' OR @Environment[isPrivateLink] BoolEquals true", []string{"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]", `"secret"`}, "?"},
		"private endpoint":         {"@Environment[Microsoft.Network/privateEndpoints] StringEqualsIgnoreCase '/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/e'", []string{"@Environment[microsoft.network/privateEndpoints]", `"/subscriptions/S/resourcegroups/G/providers/Microsoft.Network/privateEndpoints/e"`}, "true"},
		"time":                     {"@Environment[UtcNow] DateTimeGreaterThan '2023-05-01T13:00:00.0Z'", nil, "true"},
	} {
		text := "(\n (\n  !(ActionMatches{'" + blobs + "/read'} AND NOT SubOperationMatches{'Blob.List'})\n )\n OR \n (\n  " + tc.constraint + "\n )\n)"
		q := condition.Query{Action: arm.Fold(blobs + "/read"), Data: true, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		for i := 0; i < len(tc.set); i += 2 {
			setAttribute(t, &q, tc.set[i], tc.set[i+1])
		}
		if r := parse(t, text).Evaluate(q); short[r.Outcome] != tc.want {
			t.Errorf("%s: %v (%s), want %s", name, r.Outcome, r.Reason(), tc.want)
		}
		q.SubOperation = "Blob.List"
		if r := parse(t, text).Evaluate(q); r.Outcome != condition.True {
			t.Errorf("%s: %v for another suboperation", name, r.Outcome)
		}
	}
}

// setAttribute sets an attribute by its form in the language.
func setAttribute(t *testing.T, q *condition.Query, reference, value string) {
	t.Helper()
	source, name, _ := strings.Cut(strings.Trim(reference, "@]"), "[")
	for _, s := range []condition.Source{condition.Request, condition.Resource, condition.Principal, condition.Environment} {
		if s.String() == source {
			q.Attributes.Set(s, name, fromJSON(t, value)...)
		}
	}
}
