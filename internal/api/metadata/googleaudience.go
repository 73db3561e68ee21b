package metadata

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/host"
)

// On Google an identity token says who its bearer is and opens nothing at Google. So programs request one for an
// audience that another party has named, and send it to that party. Here the same request for the audience of ARM
// would return a token that changes role assignments. Such audiences are refused, unless the operator has chosen
// one of them for access tokens.

// microsoftDomains are the domains of the services of Microsoft's clouds, of which tokens grant access.
func microsoftDomains() []string {
	return []string{
		"azure.com", "azure.net", "windows.net", "microsoft.com", "microsoftonline.com", "office.com", "office365.com", "sharepoint.com",
		"dynamics.com", "powerbi.com", "powerapps.com", "visualstudio.com", "azuredatabricks.net",
		"azure.us", "microsoft.us", "microsoftonline.us", "office365.us", "usgovcloudapi.net",
		"azure.cn", "microsoftonline.cn", "partner.microsoftonline.cn", "chinacloudapi.cn",
	}
}

// microsoftApplications are the client ids of services that have tokens under their id too: Microsoft Graph, Azure
// AD Graph, ARM, ARM's checkAccess, Key Vault and Azure Storage.
func microsoftApplications() []string {
	return []string{
		"00000003-0000-0000-c000-000000000000", "00000002-0000-0000-c000-000000000000", "797f4846-ba00-4fd7-ba43-dac1f8f63013",
		"5861f7fb-5582-4c1a-83c0-fc5ffdb531a6", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "e406a681-f3d4-42a8-90b6-c2b029497af1",
	}
}

// opensMicrosoft reports whether a token for an audience grants access to a service of Microsoft's clouds.
func opensMicrosoft(audience string) bool {
	name := hostOf(audience)
	if strings.HasSuffix(name, ".cloudapp.azure.com") {
		return false // a machine of a customer
	}
	return slices.ContainsFunc(microsoftDomains(), func(domain string) bool {
		return name == domain || strings.HasSuffix(name, "."+domain)
	}) || slices.Contains(microsoftApplications(), strings.TrimPrefix(name, "spn:"))
}

// opensIssuer reports whether a token grants access to the server that has issued it.
func opensIssuer(t *host.Token) bool {
	parts := strings.Split(string(t.Raw), ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Issuer == "" {
		return false
	}
	scheme, rest, _ := strings.Cut(arm.Fold(claims.Issuer), "://")
	name, _, _ := strings.Cut(rest, "/")
	return strings.TrimRight(arm.Fold(t.Audience), "/") == scheme+"://"+name
}

// hostOf returns the host name of an audience, in lower case: what is between the scheme and the path, without
// user and port. An audience without a scheme is taken as a host name.
func hostOf(audience string) string {
	rest := arm.Fold(strings.TrimSpace(audience))
	if _, after, found := strings.Cut(rest, "://"); found {
		rest = after
	}
	if end := strings.IndexAny(rest, "/?#\\"); end >= 0 {
		rest = rest[:end]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if at := strings.LastIndexByte(rest, ':'); at >= 0 && !strings.HasPrefix(rest, "spn:") {
		rest = rest[:at]
	}
	return strings.TrimRight(rest, ".")
}
