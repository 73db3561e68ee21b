package oracle_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"midas/internal/oracle"
)

func open(t *testing.T) (*oracle.Oracle, string) {
	t.Helper()
	dir, present := oracle.Folder()
	if !present {
		t.Skip("../shared/azure is not there")
	}
	o, err := oracle.Open(filepath.Join(dir, "specs"))
	must(t, err)
	return o, dir
}

// If the oracle refuses a recorded answer of Azure itself, it is too strict.
func TestRecordedAzureAnswersAreAccepted(t *testing.T) {
	o, dir := open(t)
	covered := map[string]int{}
	for _, a := range append(cassettes(t, dir), refusals(t, dir)...) {
		op, err := o.Check(a)
		switch {
		case errors.Is(err, oracle.ErrNotCovered), strings.HasPrefix(op.ID, "Deployments_"):
		case err != nil:
			t.Errorf("%s %s: %v", a.Method, a.URL, err)
		default:
			covered[op.Provider]++
		}
	}
	for provider, least := range map[string]int{
		"Microsoft.ManagedIdentity": 5, "Microsoft.Authorization": 50, "Microsoft.Resources": 15, "Microsoft.Insights": 7,
	} {
		if covered[provider] < least {
			t.Errorf("only %d answers of %s are covered", covered[provider], provider)
		}
	}
}

const (
	group    = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg"
	identity = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	good     = `{"id":"/x","name":"app","type":"Microsoft.ManagedIdentity/userAssignedIdentities","location":"eastus","tags":{"a":"b"},` +
		`"properties":{"tenantId":"11111111-1111-1111-1111-111111111111","principalId":"11111111-1111-1111-1111-111111111111","clientId":"11111111-1111-1111-1111-111111111111"}}`
	refused = `{"error":{"code":"Code","message":"Text."}}`
)

func ask(t *testing.T, o *oracle.Oracle, method, target string, status int, body string) (oracle.Operation, error) {
	t.Helper()
	u, err := url.Parse("https://midas.test" + target)
	must(t, err)
	h := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	return o.Check(oracle.Answer{Method: method, URL: u, Status: status, Header: h, Body: []byte(body)})
}

func TestWrongAnswersAreRefused(t *testing.T) {
	o, _ := open(t)
	const v = "?api-version=2023-01-31"
	with := func(old, now string) string { return strings.Replace(good, old, now, 1) }
	for name, c := range map[string]struct {
		method, target string
		status         int
		body           string
		says           string // a part of the error; empty if the answer is right
	}{
		"right":                      {"GET", identity + v, 200, good, ""},
		"right, created":             {"PUT", identity + v, 201, good, ""},
		"right, newer":               {"GET", identity + "?api-version=2024-11-30", 200, with(`"tenantId"`, `"isolationScope":"None","tenantId"`), ""},
		"right, refused":             {"GET", identity + v, 404, refused, ""},
		"right, deleted":             {"DELETE", identity + v, 200, "", ""},
		"right, HEAD":                {"HEAD", group + "?api-version=2021-04-01", 404, "", ""},
		"a field of a later version": {"GET", identity + v, 200, with(`"tenantId"`, `"isolationScope":"None","tenantId"`), "isolationScope"},
		"an unknown value":           {"GET", identity + "?api-version=2024-11-30", 200, with(`"tenantId"`, `"isolationScope":"Global","tenantId"`), "isolationScope"},
		"an unknown field":           {"GET", identity + v, 200, with(`"name"`, `"nom"`), "nom"},
		"a required field missing":   {"GET", identity + v, 200, with(`"location":"eastus",`, ``), "location"},
		"null":                       {"GET", identity + v, 200, with(`{"a":"b"}`, `{"a":null}`), "null"},
		"no GUID":                    {"GET", identity + v, 200, with(`"clientId":"1`, `"clientId":"g`), "uuid"},
		"a number for a text":        {"GET", identity + v, 200, with(`"eastus"`, `1`), "location"},
		"an object for a list":       {"GET", group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities" + v, 200, good, "id"},
		"an entry that is wrong":     {"GET", group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities" + v, 200, `{"value":[{"location":1}]}`, "/value/0/location"},
		"another status":             {"PUT", identity + v, 202, "", "not listed"},
		"an unexpected body":         {"DELETE", identity + v, 200, good, "no body"},
		"a body missing":             {"GET", identity + v, 200, "", "no body"},
		"no JSON":                    {"GET", identity + v, 200, "<html>", "not JSON"},
		"an error without a code":    {"GET", identity + v, 404, `{"error":{"message":"Text."}}`, "code"},
		"an error as a text":         {"GET", identity + v, 404, `"Text."`, "code"},
		"an error of another shape":  {"GET", identity + v, 404, `{"code":"Code","message":"Text."}`, "code"},
		"an operation too early":     {"POST", identity + "/revokeTokens" + v, 200, "", "no such operation"},
		"an early error":             {"GET", group + "/providers/Microsoft.Insights/x?api-version=2015-04-01", 404, refused, "not covered"},
		"an unknown version":         {"GET", identity + "?api-version=2000-01-01", 200, good, "not covered"},
		"no version":                 {"GET", identity, 400, refused, "not covered"},
		"an unknown provider":        {"GET", group + "/providers/Microsoft.Other/things/x?api-version=2023-01-31", 200, good, "not covered"},
		"another method":             {"POST", identity + v, 405, refused, "not covered"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, o, c.method, c.target, c.status, c.body)
			notCovered := errors.Is(err, oracle.ErrNotCovered)
			switch {
			case c.says == "" && err != nil, c.says == "not covered" && !notCovered:
				t.Error(err)
			case c.says != "" && c.says != "not covered" && (err == nil || notCovered || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v does not mention %s", err, c.says)
			}
		})
	}
}

func TestPathsFindTheirOperation(t *testing.T) {
	o, _ := open(t)
	const sub = "/subscriptions/22222222-2222-2222-2222-222222222222"
	for target, want := range map[string]string{
		"/tenants?api-version=2022-12-01":                                                                                 "Tenants_List",
		sub + "?API-Version=2022-12-01":                                                                                   "Subscriptions_Get",
		"/SUBSCRIPTIONS/x/ResourceGroups/rg?api-version=2021-04-01":                                                       "ResourceGroups_Get",
		sub + "/resourceGroups?api-version=2021-04-01":                                                                    "ResourceGroups_List",
		sub + "/resources?api-version=2021-04-01":                                                                         "Resources_List",
		"/providers?api-version=2021-04-01":                                                                               "Providers_ListAtTenantScope",
		"/providers/Microsoft.ManagedIdentity?api-version=2021-04-01":                                                     "Providers_GetAtTenantScope",
		sub + "/providers/Microsoft.ManagedIdentity?api-version=2021-04-01":                                               "Providers_Get",
		"/providers/Microsoft.ManagedIdentity/operations?api-version=2018-11-30":                                          "Operations_List",
		identity + "/federatedIdentityCredentials/x?api-version=2026-05-31":                                               "FederatedIdentityCredentials_Get",
		identity + "/providers/Microsoft.ManagedIdentity/identities/default?api-version=2023-01-31":                       "SystemAssignedIdentities_GetByScope",
		"/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-05-01-preview":                               "RoleDefinitions_List",
		sub + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01":                                 "RoleAssignments_ListForSubscription",
		group + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01":                               "RoleAssignments_ListForResourceGroup",
		identity + "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01":                            "RoleAssignments_ListForResource",
		identity + "/providers/Microsoft.Authorization/roleAssignments/x?api-version=2022-04-01":                          "RoleAssignments_Get",
		identity + "/federatedIdentityCredentials/x/providers/Microsoft.Authorization/permissions?api-version=2022-04-01": "Permissions_ListForResource",
		sub + "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01":                         "ActivityLogs_List",
	} {
		if op, err := ask(t, o, "GET", target, 418, refused); op.ID != want {
			t.Errorf("%s: %q (%v), want %s", target, op.ID, err, want)
		}
	}
}

// cassettes returns the responses in the recordings of the Azure CLI.
func cassettes(t *testing.T, dir string) []oracle.Answer {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "recordings", "azure-cli", "*.yaml"))
	must(t, err)
	var all []oracle.Answer
	for _, name := range names {
		raw, err := os.ReadFile(name)
		must(t, err)
		var in struct {
			Interactions []struct {
				Request  struct{ Method, URI string }
				Response struct {
					Status  struct{ Code int }
					Headers map[string][]string
					Body    struct{ String string }
				}
			}
		}
		must(t, yaml.Unmarshal(raw, &in))
		for _, i := range in.Interactions {
			all = append(all, answer(t, i.Request.Method, i.Request.URI, i.Response.Status.Code, i.Response.Headers, i.Response.Body.String)...)
		}
	}
	return all
}

func refusals(t *testing.T, dir string) []oracle.Answer {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "recordings", "errors.jsonl"))
	must(t, err)
	defer file.Close()
	var all []oracle.Answer
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return all
		}
		var in struct {
			Method, URI, Resp string
			Code              int
			Headers           map[string][]string
		}
		must(t, json.Unmarshal(line, &in))
		all = append(all, answer(t, in.Method, in.URI, in.Code, in.Headers, in.Resp)...)
	}
}

func answer(t *testing.T, method, uri string, status int, headers map[string][]string, body string) []oracle.Answer {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil || u.Host != "management.azure.com" {
		return nil
	}
	h := http.Header{}
	for name, values := range headers {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return []oracle.Answer{{Method: method, URL: u, Status: status, Header: h, Body: []byte(strings.TrimSpace(body))}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
