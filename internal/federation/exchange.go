package federation

import "midas/internal/arm"

// ExchangeAppID is the client id of Entra's resource for the exchange of tokens. It is the audience of tokens for
// api://AzureADTokenExchange, because they are v2.0 tokens.
const ExchangeAppID = "fb60f99c-7a34-4190-8149-302f77469936"

// exchangeURIs are the names of the resource in the public cloud and in Azure's other clouds.
func exchangeURIs() []string {
	return []string{"api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina"}
}

// ExchangeAudience returns the aud of a token for a resource, if the resource is the one for the exchange of tokens.
// For the public cloud that is ExchangeAppID. Of the other clouds only the URI is known.
func ExchangeAudience(resource string) (aud string, found bool) {
	if arm.SameName(resource, ExchangeAppID) {
		return ExchangeAppID, true
	}
	for i, uri := range exchangeURIs() {
		switch {
		case !arm.SameName(resource, uri):
		case i == 0:
			return ExchangeAppID, true
		default:
			return uri, true
		}
	}
	return "", false
}

// ExchangeURI returns the audience that a federated credential must have to accept the aud of a token from
// ExchangeAudience.
func ExchangeURI(aud string) (uri string, found bool) {
	for i, uri := range exchangeURIs() {
		if aud == uri || i == 0 && aud == ExchangeAppID {
			return uri, true
		}
	}
	return "", false
}
