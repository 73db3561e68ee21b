package federation_test

import (
	"testing"

	"midas/internal/federation"
)

func TestNamesOfTheExchange(t *testing.T) {
	for _, tt := range []struct{ resource, aud, uri string }{
		{"api://AzureADTokenExchange", federation.ExchangeAppID, "api://AzureADTokenExchange"},
		{"API://azureadtokenexchange", federation.ExchangeAppID, "api://AzureADTokenExchange"},
		{"FB60F99C-7A34-4190-8149-302F77469936", federation.ExchangeAppID, "api://AzureADTokenExchange"},
		{"api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeUSGov"},
		{"api://AzureADTokenExchangeChina", "api://AzureADTokenExchangeChina", "api://AzureADTokenExchangeChina"},
		{"api://AzureADTokenExchange/", "", ""},
		{"api://AzureADTokenExchangeMine", "", ""},
		{"", "", ""},
	} {
		aud, found := federation.ExchangeAudience(tt.resource)
		if aud != tt.aud || found != (tt.aud != "") {
			t.Errorf("%q: aud %q, %t, want %q", tt.resource, aud, found, tt.aud)
		}
		if uri, found := federation.ExchangeURI(aud); uri != tt.uri || found != (tt.uri != "") {
			t.Errorf("%q: URI %q, %t, want %q", aud, uri, found, tt.uri)
		}
	}
}
