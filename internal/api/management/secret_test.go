package management_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"midas/internal/store"
)

const canary = "c4n4ry-5ecret"

// secretBodies are resources with everything secret that their types can have, each with a patch that
// has it again.
var secretBodies = map[string]struct{ put, patch string }{
	"Microsoft.Compute/virtualMachines/web": {
		`{"location":"eastus","properties":{"osProfile":{"computerName":"keep","adminUsername":"u","adminPassword":"S","customData":"S","secrets":[{"x":"S"}],
			"windowsConfiguration":{"additionalUnattendContent":[{"settingName":"AutoLogon","content":"S"}]}}},"zones":["1"]}`,
		`{"properties":{"osProfile":{"ADMINPASSWORD":"S","customdata":"S"}}}`,
	},
	"Microsoft.Compute/virtualMachineScaleSets/set": {
		`{"location":"eastus","sku":{"name":"keep","capacity":2},"properties":{"virtualMachineProfile":{"osProfile":{"computerNamePrefix":"p","adminPassword":"S","customData":"S"},
			"extensionProfile":{"extensions":[{"name":"e","properties":{"settings":{"a":"b"},"protectedSettings":{"k":"S"}}}]}}}}`,
		`{"properties":{"virtualMachineProfile":{"osProfile":{"adminPassword":"S"}}}}`,
	},
	"Microsoft.Compute/virtualMachines/web/extensions/script": {
		`{"location":"eastus","properties":{"publisher":"keep","settings":{},"protectedSettings":{"storageAccountKey":"S"}}}`,
		`{"properties":{"protectedSettings":{"commandToExecute":"S"}}}`,
	},
	"Contoso.Apps/jobs/j": {
		`{"location":"eastus","kind":"keep","secrets":"S","properties":{"a":[[{"Password":"S"},{"b":{"connectionString":"S"}}]],"sku":{"apiKey":"S"}}}`,
		`{"Secret":{"x":"S"},"properties":{"c":{"clientSecret":"S"}}}`,
	},
	"Microsoft.HybridCompute/machines/arc": {
		`{"location":"eastus","properties":{"osProfile":{"computerName":"keep"},"clientPublicKey":"p","privateKey":"S"}}`,
		`{"properties":{"licenseProfile":{"productKey":"S"}}}`,
	},
}

// TestSecretsOfResourcesAreNotStored writes secrets in each way there is, and then looks in every answer
// and in the whole store.
func TestSecretsOfResourcesAreNotStored(t *testing.T) {
	s := newStack(t)
	group := "/subscriptions/" + sub + "/resourceGroups/rg"
	s.want(t, 0, "owner", "PUT", group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	var answers bytes.Buffer
	do := func(method, path, body string) {
		t.Helper()
		w := s.want(t, 0, "owner", method, path, strings.ReplaceAll(body, `"S"`, `"`+canary+`"`))
		answers.WriteString(w.Body.String())
		if method == "GET" && !strings.Contains(path, "?api-version=2021-04-01") && !strings.Contains(w.Body.String(), "keep") {
			t.Errorf("%s has lost what is no secret: %s", path, w.Body)
		}
	}
	const version = "?api-version=2024-07-01"
	for _, name := range []string{
		"Microsoft.Compute/virtualMachines/web", "Microsoft.Compute/virtualMachines/web/extensions/script",
		"Microsoft.Compute/virtualMachineScaleSets/set", "Contoso.Apps/jobs/j", "Microsoft.HybridCompute/machines/arc",
	} {
		body, path := secretBodies[name], group+"/providers/"+name
		ver := version
		if strings.HasPrefix(name, "Microsoft.Hybrid") {
			ver = "?api-version=2024-07-10"
		}
		do("PUT", path+ver, body.put)
		do("PATCH", path+ver, body.patch)
		do("PATCH", path+ver, `{"tags":{"a":"b"}}`)
		do("PUT", path+ver, body.put)
		do("GET", path+ver, "")
		do("GET", path[:strings.LastIndex(path, "/")]+ver, "")
		do("GET", path+ver+"&$expand=instanceView", "")
	}
	do("GET", group+"/resources?api-version=2021-04-01", "")
	do("GET", "/subscriptions/"+sub+"/resources?api-version=2021-04-01&$expand=createdTime", "")
	if strings.Contains(answers.String(), canary) {
		t.Errorf("an answer has a secret: %s", answers.String())
	}
	var dump bytes.Buffer
	must(t, store.Dump(t.Context(), s.store, &dump))
	if strings.Contains(dump.String(), canary) {
		t.Error("the store has a secret")
	}
}

func TestUserDataAreReturnedOnlyWithExpand(t *testing.T) {
	s := newStack(t)
	group := "/subscriptions/" + sub + "/resourceGroups/rg"
	s.want(t, 0, "owner", "PUT", group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	data := base64.StdEncoding.EncodeToString([]byte(canary))
	const version = "?api-version=2024-07-01"
	for name, place := range map[string]struct{ before, after, other string }{
		"virtualMachines/web":         {`{`, `}`, `"priority":"Regular"`},
		"virtualMachineScaleSets/set": {`{"virtualMachineProfile":{`, `}}`, `"priority":"Regular"`},
	} {
		path := group + "/providers/Microsoft.Compute/" + name
		body := func(member string) string {
			return `{"location":"eastus","properties":` + place.before + member + place.after + `}`
		}
		shown := func(when string, want string) {
			t.Helper()
			if got := s.want(t, 200, "owner", "GET", path+version, "").Body.String(); strings.Contains(got, data) || strings.Contains(got, "userData") {
				t.Errorf("%s, %s, without $expand: %s", name, when, got)
			}
			got := s.want(t, 200, "owner", "GET", path+version+"&$expand=userData", "").Body.String()
			if want != "" && !strings.Contains(got, `"userData":"`+want+`"`) || want == "" && strings.Contains(got, "userData") {
				t.Errorf("%s, %s, with $expand: %s, want %q", name, when, got, want)
			}
		}
		write := func(method, body string) {
			t.Helper()
			if got := s.want(t, 0, "owner", method, path+version, body).Body.String(); strings.Contains(got, data) {
				t.Errorf("%s %s %s answers %s", name, method, body, got)
			}
		}
		write("PUT", body(`"userData":"`+data+`",`+place.other))
		shown("written", data)
		write("PATCH", body(`"licenseType":"None"`))
		shown("after another patch", data)
		write("PUT", body(place.other))
		shown("after a PUT without it", data)
		write("PATCH", body(`"UserData":null`))
		shown("after null", "")
		write("PATCH", body(`"userData":"`+data+`"`))
		shown("patched", data)
		if list := s.want(t, 200, "owner", "GET", path[:strings.LastIndex(path, "/")]+version+"&$expand=userData", "").Body.String(); strings.Contains(list, data) {
			t.Errorf("%s: the list has it: %s", name, list)
		}
		var dump bytes.Buffer
		must(t, store.Dump(t.Context(), s.store, &dump))
		if strings.Contains(dump.String(), data) {
			t.Errorf("%s: it lies in clear in the store", name)
		}
		write("PUT", body(`"userData":""`))
		shown("after an empty text", "")
		for _, bad := range []string{`17`, `{"a":1}`, `["x"]`, `"` + strings.Repeat("A", 65<<10) + `"`} {
			w := s.want(t, 400, "owner", "PUT", path+version, body(`"userData":`+bad))
			var e struct{ Error struct{ Code, Target string } }
			if must(t, json.Unmarshal(w.Body.Bytes(), &e)); e.Error.Code != "InvalidParameter" || e.Error.Target != "userData" {
				t.Errorf("%.20s: %s", bad, w.Body)
			}
		}
	}
}
