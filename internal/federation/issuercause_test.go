package federation_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"midas/internal/federation"
)

// What administrators of an identity read is not a map of the server's network.
func TestCauseOfAnIssuerErrorTellsNothingOfTheNetwork(t *testing.T) {
	issuer := newTestIssuer(t)
	host := strings.TrimPrefix(issuer.URL, "https://")
	for want, settings := range map[string]federation.IssuerSettings{
		"has no address that the server may ask": {Issuer: issuer.URL},
		"cannot be asked for the documents":      {Issuer: issuer.URL, Private: true}, // an unknown authority
		"answered with status 500":               issuer.Settings(),
	} {
		issuer.Serve(configuration, status(http.StatusInternalServerError))
		err := newIssuers(t, &testClock{}, settings).Verify(t.Context(), assertion(t, issuer.URL, "k1", 0))
		var failure *federation.IssuerError
		if !errors.As(err, &failure) {
			t.Fatal(err)
		}
		cause := failure.Cause()
		if !strings.Contains(cause, want) || strings.Contains(cause, host) || strings.Contains(cause, "127.0.0.1") {
			t.Errorf("%q, and not %q", cause, want)
		}
	}
	issuer.Serve(configuration, nil)
	issuer.Set("issuer", "https://other.example")
	err := newIssuers(t, &testClock{}, issuer.Settings()).Verify(t.Context(), assertion(t, issuer.URL, "k1", 0))
	var failure *federation.IssuerError
	if !errors.As(err, &failure) || !strings.Contains(failure.Cause(), "other.example") {
		t.Error(err)
	}
}
