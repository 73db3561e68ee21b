package witness_test

import (
	"errors"
	"testing"
	"time"

	"midas/midastest"
	"midas/verify"
)

// TestServicesRefuseTokensThatWereRevoked lets a service know a token as good, and ends it in each way.
func TestServicesRefuseTokensThatWereRevoked(t *testing.T) {
	w := watch(t, midastest.Start(t, midastest.Lab()))
	w.group(t, "rg")
	v := w.verifier(t, w.Endpoint+"/"+w.TenantID+"/v2.0", "api://orders", verify.WithAudiences(midastest.Management))
	revoked, gone := *w.identity(t, "rg", "revoked").ID, *w.identity(t, "rg", "gone").ID
	revoking := w.agent(t, w.vm(t, "revoking", revoked))
	deleted, disabled := w.application(t, "deleted"), w.application(t, "disabled")
	tokens := map[string]string{
		"revokeTokens":        metadataToken(t, revoking, "api://orders"),
		"deleted identity":    metadataToken(t, w.agent(t, w.vm(t, "leaving", gone)), "api://orders"),
		"deleted application": deleted.token(t, w), "disabled application": disabled.token(t, w),
	}
	bystander := w.Token(t, "api://orders")
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1100 * time.Millisecond))) // the time of issue counts whole seconds
	for name, raw := range tokens {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Fatalf("before: %s: %v", name, err)
		}
	}
	w.did(t, "POST", revoked+"/revokeTokens?api-version=2023-07-31-preview", "")
	w.did(t, "DELETE", gone+"?api-version=2023-01-31", "")
	w.graph(t, "DELETE", "/v1.0/servicePrincipals/"+deleted.principal, "")
	w.graph(t, "PATCH", "/v1.0/servicePrincipals/"+disabled.principal, `{"accountEnabled":false}`)
	for name, raw := range tokens {
		within(t, 20*time.Second, "the end of the token of "+name, func() bool {
			check(t, v.Refresh(t.Context())) // the list is fetched again after five seconds at the earliest
			_, err := v.Verify(t.Context(), raw)
			return errors.Is(err, verify.ErrRevoked)
		})
	}
	for name, raw := range map[string]string{"a token after revokeTokens": metadataToken(t, revoking, "api://orders"), "another's token": bystander} {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
