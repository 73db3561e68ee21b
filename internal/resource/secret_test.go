package resource_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// canary is part of each secret of these tests, and of no other text.
const canary = "c4n4ry-5ecret"

// described are names that Microsoft's OpenAPI descriptions mark as x-ms-secret or write-only, from many
// resource providers.
var described = strings.Fields(`adminPassword administratorLoginPassword password clientSecret primaryKey secondaryKey
	accountKey token accessToken userStorageKey primaryConnectionString secondaryConnectionString privateKey sasUri validationKey
	ingestionKey refreshToken connectionString initialCassandraAdminPassword triggerUri secret sharedKey daprAIConnectionString
	sasToken appInsightsInstrumentationKey primaryAccessKey secondaryAccessKey carrierAccountNumber relayConnectionString
	serviceBusConnectionString vcenterPassword nsxtPassword secureValue adminUserPassword privateKeyData sharePassword domainPassword
	registryPassword dbPassword daprAIInstrumentationKey authToken bindPassword certificatePassword hostKey bitLockerKey apiKey
	appSecret certificateKey hubDatabasePassword accessKey scriptUrlSasToken sshPrivateKey authKey1 authKey2 kubeConfig
	githubPersonalAccessToken workspaceKey authenticationKey operatorKeyCode kubeadminPassword sshPassword verifyToken channelSecret
	channelAccessToken verificationToken signingSecret deadLetterSecret accessKey1 accessKey2 connectionStringPrimaryKey
	connectionStringSecondaryKey trustPassword key1 key2 apnsCredential wnsCredential gcmCredential mpnsCredential admCredential
	baiduCredential browserCredential xiaomiCredential cognitiveServiceSubscriptionKey linkingAuthCode applicationKey
	encryptedCredentials sourceServerPassword targetServerPassword secretResources sharedAccessPolicyKey keytab sasKey
	clientCertificatePassword secretAccessKey developerToken securityToken storageContainerSasKey fencingClientPassword sapPassword
	uploadSasUri storagekey secretKey googleApiKey baiduApiKey baiduSecretKey vapidPrivateKey pnsCredentials storageAccountKey
	customData devicePassword serverAppSecret azureStorageAccountKey expressRouteAuthorizationKey fcmV1Credential secretValue
	domainUserPassword ioTHubConnectionString eventHubConnectionString runAsPassword serviceConfigurationToken
	secretConfigurationValue secretDeploymentValues storageAccountSasToken storageContainerSasToken productKey passwordSecret
	storageAccountAccessKey protectedSettings protectedParameters secrets certPassword sharedAccessKey storageAccountPrimaryKey
	storageAccessKey servicePrincipalSecret sqlAuthUpdatePassword registrationToken managementKey sslKey credentialsSecret
	targetContainerHostCredentialsBase64 connectionStrings accessKeys publishingPassword`)

// plain are names that look like secrets and are needed to read a resource.
var plain = strings.Fields(`passwordProfileId secretName secretUri secretUrl keyVaultSecretId passwordAuthentication
	disablePasswordAuthentication adminUsername keyData publicKey keyEncryptionKey secretRef passwordSecretRef keyName
	protectedSettingsFromKeyVault accessKeyId publicKeyToken skipToken tokenEndpoint connectionStringName partitionKey maxTokens`)

func withoutSecrets(t interface{ Fatalf(string, ...any) }, typ arm.Type, properties string) string {
	rec, err := resource.WithoutSecrets(resource.Record{Type: typ, Properties: json.RawMessage(properties)})
	if err != nil {
		t.Fatalf("%s: %v", properties, err)
	}
	return string(rec.Properties)
}

func TestSecretNamesAreRecognisedInEverySpelling(t *testing.T) {
	for _, name := range described {
		for _, spelled := range []string{name, strings.ToUpper(name), strings.ToLower(name), strings.ToUpper(name[:1]) + name[1:], escaped(name)} {
			given := fmt.Sprintf(`{"a":[{"b":{"%s":"%s","size":1}}]}`, spelled, canary)
			if got := withoutSecrets(t, "Contoso.Things/widgets", given); got != `{"a":[{"b":{"size":1}}]}` {
				t.Errorf("%s: %s", spelled, got)
			}
		}
	}
	for _, name := range plain {
		given := fmt.Sprintf(`{"a":{"%s":"x"}}`, name)
		if got := withoutSecrets(t, "Contoso.Things/widgets", given); got != given {
			t.Errorf("%s is not a secret but was removed: %s", name, got)
		}
	}
}

// escaped spells a name with JSON escapes.
func escaped(name string) string {
	var b strings.Builder
	for _, c := range name {
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return b.String()
}

func TestSecretsOfTypes(t *testing.T) {
	for _, c := range []struct {
		typ         arm.Type
		given, want string
	}{
		{"Microsoft.Compute/virtualMachines",
			`{"osProfile":{"windowsConfiguration":{"additionalUnattendContent":[{"passName":"OobeSystem","content":"S"}]},"computerName":"c"}}`,
			`{"osProfile":{"computerName":"c","windowsConfiguration":{"additionalUnattendContent":[{"passName":"OobeSystem"}]}}}`},
		{"Microsoft.Compute/virtualMachines", `{"osProfile":{"secrets":[],"adminPassword":"S"}}`, `{"osProfile":{"secrets":[]}}`},
		{"Contoso.Things/widgets", `{"secrets":[],"tokens":{},"osProfile":{"secrets":["S"]},"password":""}`, `{"osProfile":{},"secrets":[],"tokens":{}}`},
		{"microsoft.compute/disks", `{"USERDATA":"S"}`, `{}`},
		{"Contoso.Things/widgets", `{"userData":"stays","content":"stays"}`, `{"userData":"stays","content":"stays"}`},
		{"Microsoft.KeyVault/vaults/secrets", `{"value":"S","attributes":{"enabled":true}}`, `{"attributes":{"enabled":true}}`},
		{"Microsoft.KeyVault/vaults", `{"value":"stays"}`, `{"value":"stays"}`},
		{"Microsoft.Web/sites", `{"siteConfig":{"appSettings":[{"name":"a","value":"S"}],"linuxFxVersion":"x"}}`, `{"siteConfig":{"linuxFxVersion":"x"}}`},
		{"Microsoft.DataFactory/factories/linkedservices", `{"typeProperties":{"x":{"type":"securestring","value":"S"}}}`, `{"typeProperties":{"x":{"type":"securestring"}}}`},
		{"Microsoft.Network/applicationGateways", `{"sslCertificates":[{"name":"c","properties":{"data":"S"}}]}`, `{"sslCertificates":[{"name":"c","properties":{}}]}`},
		{"Contoso.Things/widgets", `{"generateApiKey":true,"password":null,"secret":17,"n":1.000000000000000000001}`, `{"generateApiKey":true,"n":1.000000000000000000001,"password":null}`},
		{"Contoso.Things/widgets", `{"a-connection-string-0":"S","b.password":"S","c:client_secret":"S","password2":"S","logSasUrl":"S","partition-key":"stays"}`, `{"partition-key":"stays"}`},
		{"Contoso.Things/widgets", `{"values":[{"name":"a","isSecret":true,"value":"S"},{"name":"b","isSecret":false,"value":"stays"},{"Secret":true,"VALUE":{"x":"S"}}]}`,
			`{"values":[{"isSecret":true,"name":"a"},{"isSecret":false,"name":"b","value":"stays"},{"Secret":true}]}`},
		{"Microsoft.Logic/workflows", `{"definition":{"parameters":{"p":{"type":"securestring","defaultValue":"S"},"q":{"type":"string","defaultValue":"stays"}}}}`,
			`{"definition":{"parameters":{"p":{"type":"securestring"},"q":{"defaultValue":"stays","type":"string"}}}}`},
		{"microsoft.web/SITES/host/functionKeys", `{"name":"k","value":"S"}`, `{"name":"k"}`},
		{"Microsoft.Web/sites/functions/keys", `{"name":"k","value":"S"}`, `{"name":"k"}`},
		{"Microsoft.Web/connections", `{"parameterValues":{"key":"S"},"nonSecretParameterValues":{"a":"stays"}}`, `{"nonSecretParameterValues":{"a":"stays"}}`},
		{"Microsoft.App/managedEnvironments", `{"customDomainConfiguration":{"certificateValue":"S","dnsSuffix":"d"}}`, `{"customDomainConfiguration":{"dnsSuffix":"d"}}`},
		{"Microsoft.ContainerRegistry/registries/webhooks", `{"serviceUri":"S","customHeaders":{"Authorization":"S"},"actions":["push"]}`, `{"actions":["push"]}`},
		{"Microsoft.HDInsight/clusters", `{"clusterDefinition":{"kind":"k","configurations":{"core-site":{"fs.azure.account.key.x":"S"}}},"storageProfile":{"storageaccounts":[{"name":"n","key":"S"}]}}`,
			`{"clusterDefinition":{"configurations":{},"kind":"k"},"storageProfile":{"storageaccounts":[{"name":"n"}]}}`},
		{"Microsoft.Batch/batchAccounts/certificates", `{"data":"S","format":"Pfx"}`, `{"format":"Pfx"}`},
		{"Microsoft.BotService/botServices/channels", `{"properties":{"sites":[{"siteId":"s","key":"S","key2":"S"}]}}`, `{"properties":{"sites":[{"siteId":"s"}]}}`},
		{"Microsoft.Media/mediaservices/contentKeyPolicies", `{"options":[{"restriction":{"primaryVerificationKey":{"keyValue":"S","exponent":"e"}}}]}`,
			`{"options":[{"restriction":{"primaryVerificationKey":{"exponent":"e"}}}]}`},
		{"Microsoft.ManagedIdentity/userAssignedIdentities", `{"secret":"made here"}`, `{"secret":"made here"}`},
	} {
		if got := withoutSecrets(t, c.typ, c.given); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.typ, c.given, got, c.want)
		}
	}
	for _, typ := range []arm.Type{"microsoft.web/SITES/config", "Microsoft.Web/staticSites/config", "Microsoft.Web/staticSites/builds/config"} {
		settings, err := resource.WithoutSecrets(resource.Record{Type: typ, Name: "appSettings", Properties: json.RawMessage(`{"A":"S"}`)})
		if err != nil || settings.Properties != nil {
			t.Errorf("settings of %s: %s %v", typ, settings.Properties, err)
		}
	}
}

// tree draws a JSON value with secrets in it, and the same value without them.
func tree(t *rapid.T, depth int) (given, want any) {
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if depth == 0 {
		kind = min(kind, 2)
	}
	switch kind {
	case 0:
		return nil, nil
	case 1:
		b := rapid.Bool().Draw(t, "bool")
		return b, b
	case 2:
		s := rapid.StringN(0, 12, -1).Draw(t, "text")
		return s, s
	case 3:
		var g, w []any
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			a, b := tree(t, depth-1)
			g, w = append(g, a), append(w, b)
		}
		return g, w
	}
	g, w := map[string]any{}, map[string]any{}
	for i := range rapid.IntRange(0, 3).Draw(t, "members") {
		name := rapid.SampledFrom(plain).Draw(t, "name") + strings.Repeat("_", i)
		g[name], w[name] = tree(t, depth-1)
	}
	for range rapid.IntRange(0, 2).Draw(t, "secrets") {
		name := rapid.SampledFrom(described).Draw(t, "secret")
		if rapid.Bool().Draw(t, "upper") {
			name = strings.ToUpper(name)
		}
		g[name] = rapid.SampledFrom([]any{canary, []any{canary}, map[string]any{"x": map[string]any{"y": canary}}, json.Number("4")}).Draw(t, "value")
	}
	return g, w
}

func TestOnlySecretsAreRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given, want := tree(t, 6)
		g, _ := json.Marshal(map[string]any{"in": given})
		w, _ := json.Marshal(map[string]any{"in": want})
		got := withoutSecrets(t, "Contoso.Things/widgets", string(g))
		if diff := cmp.Diff(string(w), got); diff != "" {
			t.Fatalf("%s: %s", g, diff)
		}
		if again := withoutSecrets(t, "Contoso.Things/widgets", got); again != got {
			t.Fatalf("the second time: %s", again)
		}
	})
}

func TestPutStoresNoSecretsAndKeepsTheCallersRecord(t *testing.T) {
	st := storetest.Memory(t)
	s := newService(t, st)
	group := sub + "/resourceGroups/a"
	putGroup(t, s, group, "eastus", nil)
	widget := id(t, group+"/providers/Contoso.Things/widgets/w")
	given := resource.Record{
		ID: widget.String(), Type: widget.Type(), Name: "w", State: resource.Succeeded, Properties: json.RawMessage(`{"password":"` + canary + `"}`),
		Extra: map[string]json.RawMessage{"Secrets": json.RawMessage(`"` + canary + `"`), "sku": json.RawMessage(`{"name":"a","apiKey":"` + canary + `"}`), "kind": json.RawMessage(`"k"`)},
	}
	if _, err := st.Update(t.Context(), func(tx store.Tx) error { return s.Put(tx, widget, given) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(given.Properties), canary) || len(given.Extra) != 3 {
		t.Errorf("the caller's record was changed: %v", given)
	}
	rec, err := s.Find(t.Context(), widget)
	if err != nil {
		t.Fatal(err)
	}
	if string(rec.Properties) != `{}` || len(rec.Extra) != 2 || string(rec.Extra["sku"]) != `{"name":"a"}` {
		t.Errorf("stored %s %s", rec.Properties, rec.Extra)
	}
	if dump := dumped(t, st); strings.Contains(dump, canary) {
		t.Errorf("the store has %s", dump)
	}
}

func dumped(t *testing.T, st store.Store) string {
	t.Helper()
	var b bytes.Buffer
	if err := store.Dump(t.Context(), st, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The records are those of an early version, which stored secrets.
func TestStoredSecretsAreHiddenAndRemoved(t *testing.T) {
	st := storetest.Memory(t)
	s := newService(t, st)
	var err error
	if s.Config.UserData, err = seal.New(seal.MasterKey{}, "x"); err != nil {
		t.Fatal(err)
	}
	group := sub + "/resourceGroups/a"
	putGroup(t, s, group, "eastus", nil)
	var widgets []arm.ID
	big := strings.Repeat("x", 100<<10)
	for i := range 120 {
		widget := id(t, fmt.Sprintf("%s/providers/Contoso.Things/widgets/w%d", group, i))
		widgets = append(widgets, widget)
		_, err := st.Update(t.Context(), func(tx store.Tx) error {
			value := fmt.Sprintf(`{"v":1,"id":%q,"type":"Contoso.Things/widgets","name":"w","state":"Succeeded","properties":{"password":%q,"n":%d,"big":%q},"extra":{"secrets":%q}}`,
				widget, canary, i, big, canary)
			tx.Put("r/"+widget.Key(), []byte(value))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string) {
		page, err := s.All(t.Context(), id(t, group), resource.Part{Limit: 200})
		if err != nil || len(page.Records) == 0 {
			t.Fatalf("%s: %d records, %v", when, len(page.Records), err)
		}
		rec, err := s.Find(t.Context(), widgets[7])
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range append(page.Records, rec) {
			if all, _ := json.Marshal(rec); bytes.Contains(all, []byte(canary)) || !bytes.Contains(all, []byte(`"n":`)) {
				t.Errorf("%s: %.200s", when, all)
			}
		}
	}
	check("before")
	if !strings.Contains(dumped(t, st), canary) {
		t.Error("the test stored no secret")
	}
	adopted := 0
	adopt := func(rec resource.Record) (resource.Record, error) { adopted++; return rec, nil }
	for range 2 { // the second call has nothing to do
		if err := s.RemoveSecrets(t.Context(), adopt); err != nil {
			t.Fatal(err)
		}
	}
	if dump := dumped(t, st); strings.Contains(dump, canary) {
		t.Errorf("after the removal, a secret is still in the store")
	}
	if adopted != len(widgets) {
		t.Errorf("%d records were rewritten, want %d", adopted, len(widgets))
	}
	check("after")
}

func TestUserDataOpenOnlyForTheirResource(t *testing.T) {
	s := newService(t, storetest.Memory(t))
	rec := resource.Record{ID: sub + "/resourceGroups/a/providers/Microsoft.Compute/virtualMachines/v"}
	if err := s.SetUserData(&rec, canary); err != nil || rec.UserData != nil {
		t.Errorf("without a key: %q %v", rec.UserData, err)
	}
	var err error
	if s.Config.UserData, err = seal.New(seal.MasterKey{}, "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetUserData(&rec, canary); err != nil || bytes.Contains(rec.UserData, []byte(canary)) {
		t.Errorf("sealed: %q %v", rec.UserData, err)
	}
	if got, err := s.UserData(rec); err != nil || got != canary {
		t.Errorf("opened: %q %v", got, err)
	}
	moved := rec
	moved.ID += "2"
	if got, err := s.UserData(moved); err == nil || got != "" {
		t.Errorf("in another record: %q %v", got, err)
	}
	if err := s.SetUserData(&rec, ""); err != nil || rec.UserData != nil {
		t.Errorf("after the removal: %q %v", rec.UserData, err)
	}
	if slices.Contains(described, "userData") {
		t.Error("user data are no secret by name")
	}
}
