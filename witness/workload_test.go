package witness_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"

	"midas/internal/agent"
)

const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

// The test follows a managed identity from its creation to the refusal of tokens after its deletion.
func TestAWorkloadsIdentityFromCreationToRefusal(t *testing.T) {
	w := start(t)
	w.group(t, "rg")

	// An identity is made, and a machine that carries it.
	app := w.identity(t, "rg", "app")
	vm := w.vm(t, "web1", *app.ID)

	// Only on that machine there is a token for it, and no secret anywhere.
	agent := w.agent(t, vm)
	other := w.agent(t, w.vm(t, "web2"))
	const arm = "https://management.azure.com/"
	token, reason := imds(t, agent, arm, "")
	if token == "" {
		t.Fatalf("no token on the machine: %s", reason)
	}
	if stolen, _ := imds(t, other, arm, "&client_id="+*app.Properties.ClientID); stolen != "" {
		t.Fatal("another machine got the token")
	}

	// Anybody can verify the token who knows its issuer.
	ctx := oidc.ClientContext(t.Context(), w.guard.Client)
	provider, err := oidc.NewProvider(ctx, w.Endpoint+"/"+w.TenantID+"/")
	check(t, err)
	verified, err := provider.Verifier(&oidc.Config{ClientID: arm}).Verify(ctx, token)
	check(t, err)
	var claims struct {
		Oid, Sub, Tid, Appid, Appidacr, Idtyp, Ver string
		MIRID                                      string `json:"xms_mirid"`
		Groups                                     []string
	}
	check(t, verified.Claims(&claims))
	if claims.Oid != *app.Properties.PrincipalID || claims.Sub != claims.Oid || claims.Appid != *app.Properties.ClientID ||
		claims.Tid != w.TenantID || claims.Appidacr != "2" || claims.Idtyp != "app" || claims.Ver != "1.0" || claims.Groups != nil ||
		!strings.EqualFold(claims.MIRID, *app.ID) {
		t.Errorf("claims %+v", claims)
	}
	if life := verified.Expiry.Sub(verified.IssuedAt); life != 24*time.Hour+5*time.Minute {
		t.Errorf("it lives %s", life)
	}

	// It opens nothing, until it is given a role, and then what that role allows and nothing else.
	group := w.scope() + "/resourceGroups/rg"
	read := func() int { return w.arm(t, "GET", group+"?api-version=2021-04-01", "", token).status }
	if status := read(); status != 403 {
		t.Errorf("without a role: %d", status)
	}
	w.did(t, "PUT", group+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString()+"?api-version=2022-04-01", fmt.Sprintf(
		`{"properties":{"roleDefinitionId":"%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":%q,"principalType":"ServicePrincipal"}}`,
		w.scope(), reader, claims.Oid))
	if status := read(); status != 200 {
		t.Errorf("with the role: %d", status)
	}
	for what, refused := range map[string]answer{
		"a write":       w.arm(t, "PUT", group+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x?api-version=2023-01-31", `{"location":"eastus"}`, token),
		"elsewhere":     w.arm(t, "GET", w.scope()+"/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", "", token),
		"another host":  w.arm(t, "POST", vm+"/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01", "", token),
		"a list of all": w.arm(t, "GET", vm+"/providers/Midas.Hosts/hosts/x?api-version=2026-11-01", "", token),
	} {
		if refused.status != 403 && refused.status != 405 {
			t.Errorf("%s: %d %v", what, refused.status, refused.body)
		}
	}

	// The identity is deleted. The machine still names it, and gets nothing for it any more.
	w.did(t, "DELETE", *app.ID+"?api-version=2023-01-31", "")
	within(t, time.Second, "the end of tokens", func() bool { token, _ := imds(t, agent, arm, ""); return token == "" })
	if _, named := w.did(t, "GET", vm+machineVersion, "").body["identity"].(map[string]any)["userAssignedIdentities"].(map[string]any)[*app.ID]; !named {
		t.Error("the machine has forgotten the identity")
	}

	// A new one of that name is another one.
	again := w.identity(t, "rg", "app")
	if *again.Properties.PrincipalID == claims.Oid {
		t.Error("the principal has come back to life")
	}
	for _, selector := range []string{"", "&msi_res_id=" + *again.ID, "&client_id=" + *again.Properties.ClientID} {
		if token, reason := imds(t, agent, arm, selector); token != "" || reason != "Identity not found" {
			t.Errorf("for %q: a token of %d bytes, %q", selector, len(token), reason)
		}
	}
}

// After an identity is removed from a machine, its agent must not return cached tokens of the identity.
func TestRemovingAnIdentityEndsItsTokensWithinASecond(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	const hosts = 8
	var agents []*agent.Server
	var longest time.Duration
	for i := range hosts {
		a := w.agent(t, w.vm(t, fmt.Sprintf("vm%d", i), *app.ID))
		if token, reason := imds(t, a, "a", ""); token == "" {
			t.Fatal(reason)
		}
		agents = append(agents, a)
	}
	for i := range agents {
		w.did(t, "PATCH", w.machineID(fmt.Sprintf("vm%d", i))+machineVersion, `{"identity":{"type":"None"}}`)
		begun := time.Now()
		within(t, time.Second, "the end of tokens", func() bool { token, _ := imds(t, agents[i], "a", ""); return token == "" })
		longest = max(longest, time.Since(begun))
	}
	t.Logf("of %d machines, the slowest took %s after the answer to the request", hosts, longest)
}

func TestDeletingAndRevokingEndTokensWithinASecond(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world, identity, vm string){
		"identity deleted": func(t *testing.T, w *world, identity, _ string) {
			w.did(t, "DELETE", identity+"?api-version=2023-01-31", "")
		},
		"machine deleted": func(t *testing.T, w *world, _, vm string) { w.did(t, "DELETE", vm+machineVersion, "") },
		"host removed": func(t *testing.T, w *world, _, vm string) {
			hosts := w.did(t, "GET", vm+"/providers/Midas.Hosts/hosts?api-version=2026-11-01", "").body["value"].([]any)
			w.did(t, "DELETE", hosts[0].(map[string]any)["id"].(string)+"?api-version=2026-11-01", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.group(t, "rg")
			app := w.identity(t, "rg", "app")
			vm := w.vm(t, "web", *app.ID)
			a := w.agent(t, vm)
			if token, reason := imds(t, a, "a", ""); token == "" {
				t.Fatal(reason)
			}
			end(t, w, *app.ID, vm)
			took := within(t, time.Second, name, func() bool { token, _ := imds(t, a, "a", ""); return token == "" })
			t.Logf("%s: %s", name, took)
		})
	}
}

func TestRevokedTokensAreReplacedAtOnce(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	a := w.agent(t, w.vm(t, "web", *app.ID))
	const arm = "https://management.azure.com/"
	before, _ := imds(t, a, arm, "")
	w.did(t, "POST", *app.ID+"/revokeTokens?api-version=2023-07-31-preview", "")
	if got := w.arm(t, "GET", "/subscriptions?api-version=2022-12-01", "", before); got.status != 401 {
		t.Errorf("a revoked token: %d", got.status)
	}
	var after string
	within(t, time.Second, "a new token", func() bool { after, _ = imds(t, a, arm, ""); return after != before && after != "" })
	if got := w.arm(t, "GET", "/subscriptions?api-version=2022-12-01", "", after); got.status != 200 {
		t.Errorf("the token after it: %d %v", got.status, got.body)
	}
}

func TestWorkloadsSurviveAnOutage(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	a := w.agent(t, w.vm(t, "web", *app.ID))
	before, _ := imds(t, a, "a", "")
	w.Stop(t)
	for range 3 {
		if after, reason := imds(t, a, "a", ""); after != before {
			t.Errorf("without the server: %q", reason)
		}
	}
}

// A scale set's machines are hosts of their own, and have the identities of the set.
func TestScaleSetInstancesEnrollAsThemselves(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	set := w.scope() + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/set"
	w.did(t, "PUT", set+machineVersion, fmt.Sprintf(
		`{"location":"eastus","sku":{"name":"Standard_A1","capacity":2},"properties":{"orchestrationMode":"Uniform"},"identity":{"type":"UserAssigned","userAssignedIdentities":{%q:{}}}}`, *app.ID))
	instances := w.did(t, "GET", set+"/virtualMachines"+machineVersion, "").body["value"].([]any)
	if len(instances) != 2 {
		t.Fatalf("%d instances", len(instances))
	}
	var agents []*agent.Server
	for _, i := range instances {
		a := w.agent(t, i.(map[string]any)["id"].(string))
		if token, reason := imds(t, a, "a", ""); token == "" {
			t.Fatal(reason)
		}
		agents = append(agents, a)
	}
	w.did(t, "PATCH", set+machineVersion, `{"identity":{"type":"None"}}`)
	for _, a := range agents {
		within(t, time.Second, "the end of tokens", func() bool { token, _ := imds(t, a, "a", ""); return token == "" })
	}
}

// A managed identity has the roles of an application that it was given, and its tokens say so.
func TestAppRolesAreInTheTokensOfManagedIdentities(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	graph := w.Token(t, "https://graph.microsoft.com")
	post := func(path, body string) answer {
		t.Helper()
		a := w.arm(t, "POST", "/v1.0/"+path, body, graph)
		if a.status != 201 {
			t.Fatalf("%s: %d %v", path, a.status, a.body)
		}
		return a
	}
	const role = "5a5a5a5a-0000-4000-8000-000000000001"
	api := post("applications", `{"displayName":"api","identifierUris":["api://midas-witness"],"appRoles":[{"id":"`+role+
		`","value":"Orders.Read","displayName":"Read","description":"Read","allowedMemberTypes":["Application"],"isEnabled":true}]}`)
	principal := post("servicePrincipals", fmt.Sprintf(`{"appId":%q}`, api.text("appId")))
	post("servicePrincipals/"+*app.Properties.PrincipalID+"/appRoleAssignments", fmt.Sprintf(
		`{"principalId":%q,"resourceId":%q,"appRoleId":%q}`, *app.Properties.PrincipalID, principal.text("id"), role))

	a := w.agent(t, w.vm(t, "web", *app.ID))
	for audience, want := range map[string][]string{"api://midas-witness": {"Orders.Read"}, "https://elsewhere.test": nil} {
		token, reason := imds(t, a, audience, "")
		if token == "" {
			t.Fatal(reason)
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		check(t, err)
		var claims struct {
			Aud   string
			Roles []string
		}
		check(t, json.Unmarshal(payload, &claims))
		if claims.Aud != audience || !slices.Equal(claims.Roles, want) {
			t.Errorf("%s: %+v", audience, claims)
		}
	}
}

// A resource that is disabled, or that wants its callers assigned, gives a managed identity no token.
func TestManagedIdentitiesAreRefusedByResources(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	graph := w.Token(t, "https://graph.microsoft.com")
	do := func(method, path, body string, status int) answer {
		t.Helper()
		a := w.arm(t, method, "/v1.0/"+path, body, graph)
		if a.status != status {
			t.Fatalf("%s %s: %d %v", method, path, a.status, a.body)
		}
		return a
	}
	api := do("POST", "applications", `{"displayName":"api","identifierUris":["api://midas-witness"]}`, 201)
	principal := do("POST", "servicePrincipals", fmt.Sprintf(`{"appId":%q}`, api.text("appId")), 201).text("id")
	a := w.agent(t, w.vm(t, "web", *app.ID))
	audiences := []string{"api://midas-witness", api.text("appId"), "api://" + api.text("appId")}
	asks := func(when, reason string) {
		t.Helper()
		for _, audience := range audiences {
			within(t, 5*time.Second, when, func() bool { // what the agent was told before is good for a moment
				token, got := imds(t, a, audience, "")
				return (token != "") == (reason == "") && strings.Contains(got, reason)
			})
		}
	}
	do("PATCH", "servicePrincipals/"+principal, `{"appRoleAssignmentRequired":true}`, 204)
	asks("refusal of who is not assigned", "AADSTS501051")
	do("POST", "servicePrincipals/"+*app.Properties.PrincipalID+"/appRoleAssignments", fmt.Sprintf(
		`{"principalId":%q,"resourceId":%q,"appRoleId":"00000000-0000-0000-0000-000000000000"}`, *app.Properties.PrincipalID, principal), 201)
	asks("token of who is assigned", "")
	do("PATCH", "servicePrincipals/"+principal, `{"accountEnabled":false}`, 204)
	audiences = []string{"api://midas-witness/", strings.ToUpper(api.text("appId"))} // which the agent does not have
	asks("refusal of a disabled resource", "AADSTS500014")
}

// flavours are the protocols, what of an identity's names they let a program select it by, and whether
// the client insists on places of the machine that a test cannot have.
var flavours = map[string]struct{ client, object, resource bool }{
	"imds":             {true, true, true},
	"app-service":      {true, true, true},
	"cloud-shell":      {},
	"machine-learning": {client: true},
	"service-fabric":   {},
}

// withEnvironment lets this process be a program on the agent's host.
func withEnvironment(t *testing.T, a *agent.Server) {
	t.Helper()
	for _, name := range []string{
		"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET",
		"DEFAULT_IDENTITY_CLIENT_ID", "AZURE_CLIENT_ID",
	} {
		t.Setenv(name, "")
		check(t, os.Unsetenv(name))
	}
	for _, v := range a.Environment() {
		t.Setenv(v.Name, v.Value)
	}
}

func TestSDKFindsIdentitiesOnEveryFlavour(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app, other := w.identity(t, "rg", "app"), w.identity(t, "rg", "other")
	vm := w.vm(t, "web", "system", *app.ID, *other.ID)
	system := w.did(t, "GET", vm+machineVersion, "").text("identity", "principalId")
	for flavour, can := range flavours {
		t.Run(flavour, func(t *testing.T) {
			a := w.agent(t, vm, flavour)
			withEnvironment(t, a)
			client := metadataTransport(t, a)
			for name, c := range map[string]struct {
				id   azidentity.ManagedIDKind
				can  bool
				want string
			}{
				"default":  {nil, true, system},
				"client":   {azidentity.ClientID(*app.Properties.ClientID), can.client, *app.Properties.PrincipalID},
				"object":   {azidentity.ObjectID(*other.Properties.PrincipalID), can.object, *other.Properties.PrincipalID},
				"resource": {azidentity.ResourceID(*other.ID), can.resource, *other.Properties.PrincipalID},
			} {
				if !c.can {
					continue
				}
				// MSAL keeps tokens per identity and audience, for all flavours together.
				audience := "https://" + flavour + "." + name + ".test"
				got, err := managed(t, client, c.id).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if who := w.claim(t, got.Token, audience); who != c.want {
					t.Errorf("%s: the token is for %s, want %s", name, who, c.want)
				}
				if left := time.Until(got.ExpiresOn); left < 23*time.Hour || left > 24*time.Hour {
					t.Errorf("%s: the client thinks that it lives %s", name, left)
				}
			}
		})
	}
}

// claim verifies a token from discovery and gives its object id.
func (w *world) claim(t testing.TB, token, audience string) string {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), w.guard.Client)
	provider, err := oidc.NewProvider(ctx, w.Endpoint+"/"+w.TenantID+"/")
	check(t, err)
	verified, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, token)
	check(t, err)
	return verified.Subject
}

func TestMSALFindsIdentitiesOnEveryFlavour(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	vm := w.vm(t, "web", "system", *app.ID)
	system := w.did(t, "GET", vm+machineVersion, "").text("identity", "principalId")
	for flavour, can := range flavours {
		t.Run(flavour, func(t *testing.T) {
			a := w.agent(t, vm, flavour)
			withEnvironment(t, a)
			for name, c := range map[string]struct {
				id   managedidentity.ID
				can  bool
				want string
			}{
				"default": {managedidentity.SystemAssigned(), true, system},
				"client":  {managedidentity.UserAssignedClientID(*app.Properties.ClientID), can.client, *app.Properties.PrincipalID},
			} {
				if !c.can {
					continue
				}
				client, err := managedidentity.New(c.id, managedidentity.WithHTTPClient(metadataTransport(t, a)), managedidentity.WithRetryPolicyDisabled())
				check(t, err)
				audience := "https://msal." + flavour + "." + name + ".test"
				got, err := client.AcquireToken(t.Context(), audience)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if who := w.claim(t, got.AccessToken, audience); who != c.want {
					t.Errorf("%s: the token is for %s, want %s", name, who, c.want)
				}
			}
		})
	}
}

// The error for a missing identity lets a chain of credentials try the next credential.
func TestSDKReportsAMissingIdentity(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	a := w.agent(t, w.vm(t, "web"))
	withEnvironment(t, a)
	_, err := managed(t, metadataTransport(t, a), nil).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://none.test/.default"}})
	if err == nil || !strings.Contains(err.Error(), "Identity not found") {
		t.Errorf("got %v", err)
	}
}

// The default credential looks first whether there is a metadata service at all.
func TestDefaultCredentialFindsTheMetadataService(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	vm := w.vm(t, "web", "system")
	a := w.agent(t, vm)
	withEnvironment(t, a)
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "prod")
	credential, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: clientOptions(t, a)})
	check(t, err)
	got, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://default.test/.default"}})
	check(t, err)
	if who := w.claim(t, got.Token, "https://default.test"); who != w.did(t, "GET", vm+machineVersion, "").text("identity", "principalId") {
		t.Errorf("the token is for %s", who)
	}
}
