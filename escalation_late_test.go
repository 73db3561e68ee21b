package midas_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// lateBody is a body that the client sends only after the server has begun to read it, and so has admitted the
// request. meanwhile is called just before.
type lateBody struct {
	io.Reader
	meanwhile func()
}

func (b *lateBody) Read(p []byte) (int, error) {
	if b.meanwhile != nil {
		b.meanwhile()
		b.meanwhile = nil
	}
	return b.Reader.Read(p)
}

// late sends a request whose body is sent after something has happened.
func (w *battlefield) late(t *testing.T, as string, a attempt, meanwhile func()) (int, string) {
	t.Helper()
	text := w.fill(as, a.body)
	req := w.request(t, as, a, &lateBody{strings.NewReader(text), meanwhile})
	req.ContentLength = int64(len(text))
	req.Header.Set("Expect", "100-continue")
	transport := w.Client().Transport.(*http.Transport).Clone()
	transport.ExpectContinueTimeout = time.Minute
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// TestRightsLostDuringRequest sends writes whose caller loses the right after the server has admitted the request and
// waits for its body. Attackers could otherwise keep admitted requests, and finish them after their roles are gone.
func TestRightsLostDuringRequest(t *testing.T) {
	const (
		version = "?api-version=2022-04-01"
		uai     = "{rg}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/late?api-version=2023-01-31"
		lock    = "{rg}/providers/Microsoft.Authorization/locks/late?api-version=2020-05-01"
		deny    = "{rg}/providers/Microsoft.Authorization/denyAssignments/{new}?api-version=2024-07-01-preview"
		uses    = `{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{"{identity}":{}}},"properties":{}}`
		denial  = `{"properties":{"denyAssignmentName":"late","permissions":[{"actions":["*"]}],"principals":[{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}],"excludePrincipals":[{"id":"{adminsp}","type":"ServicePrincipal"}]}}`
	)
	write := attempt{"PUT", uai, `{"location":"eastus"}`}
	machine := attempt{"PUT", "{rg}/providers/Microsoft.Compute/virtualMachines/late?api-version=2024-07-01", uses}
	role := func(as, scope string) attempt {
		return attempt{"DELETE", scope + "/providers/Microsoft.Authorization/roleAssignments/{mine:" + as + "}" + version, ""}
	}
	for name, row := range map[string]struct {
		as          string
		write, lose attempt
	}{
		"the role, for an identity":         {"mi-contributor", write, role("mi-contributor", "{sub}")},
		"the role, for a credential":        {"mi-contributor", attempt{"PUT", "{identity}/federatedIdentityCredentials/late?api-version=2023-01-31", `{"properties":{"issuer":"https://evil.example","subject":"me","audiences":["api://AzureADTokenExchange"]}}`}, role("mi-contributor", "{sub}")},
		"the role, for a machine":           {"contributor", machine, role("contributor", "{sub}")},
		"the role, for a role assignment":   {"rg-uaa", attempt{"PUT", "{rg}" + assignmentPath, assignmentBody("Owner", "{me}")}, role("rg-uaa", "{rg}")},
		"the role, for a role definition":   {"rg-uaa", attempt{"PUT", "{rg}" + definitionPath, definitionBody("{rg}")}, role("rg-uaa", "{rg}")},
		"the role, for a lock":              {"rg-uaa", attempt{"PUT", lock, `{"properties":{"level":"ReadOnly"}}`}, role("rg-uaa", "{rg}")},
		"the role, for a deny assignment":   {"rg-owner", attempt{"PUT", deny, denial}, role("rg-owner", "{rg}")},
		"the role, to rename at the tenant": {"contributor", attempt{"POST", "/providers/Microsoft.Subscription/subscriptions/{subid}/rename?api-version=2021-10-01", `{"subscriptionName":"late"}`}, role("contributor", "{sub}")},
		"the right, by a deny assignment":   {"contributor", write, attempt{"PUT", deny, denial}},
		"the right, by a lock":              {"contributor", write, attempt{"PUT", lock, `{"properties":{"level":"ReadOnly"}}`}},
		"the principal":                     {"contributor", write, attempt{"DELETE", "/v1.0/servicePrincipals/{me:contributor}", ""}},
		"the principal is disabled":         {"contributor", write, attempt{"PATCH", "/v1.0/servicePrincipals/{me:contributor}", `{"accountEnabled":false}`}},
		"the subscription is cancelled":     {"contributor", write, attempt{"POST", "{sub}/providers/Microsoft.Subscription/cancel?api-version=2021-10-01", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newBattlefield(t)
			own := strings.NewReplacer("{mine:"+row.as+"}", w.mine[row.as], "{me:"+row.as+"}", w.objects[row.as])
			w.want(t, 0, "admin", attempt{"DELETE", "{other}/providers/Microsoft.Authorization/locks/keep?api-version=2020-05-01", ""})
			var before map[string]string
			code, body := w.late(t, row.as, row.write, func() {
				if code, body := w.send(t, "admin", attempt{row.lose.method, own.Replace(row.lose.path), row.lose.body}); code >= 300 {
					t.Errorf("%s %s: %d %s", row.lose.method, row.lose.path, code, body)
				}
				before = w.records(t)
			})
			if before == nil {
				t.Fatalf("the request was not admitted: %d %s", code, body)
			}
			if code != 401 && code != 403 && code != 409 {
				t.Errorf("%s %s is answered %d %s", row.write.method, row.write.path, code, body)
			}
			for key, value := range w.records(t) {
				if before[key] != value {
					t.Errorf("the request has written %s = %s", key, value)
				}
			}
		})
	}
}
