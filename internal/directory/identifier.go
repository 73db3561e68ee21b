package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// The errors of identifier URIs.
var (
	// ErrReservedURI means that an identifier URI names this server, one of Microsoft's resources, or another
	// application or tenant. No application may have it.
	ErrReservedURI = errors.New("directory: the identifier URI is reserved")
	// ErrUnverifiedDomain means that an identifier URI is in no verified domain of the tenant.
	ErrUnverifiedDomain = errors.New("directory: the identifier URI is not in a verified domain")
)

// firstPartyDomains are the domains of the identifier URIs of Microsoft's resources, such as
// https://vault.azure.net and https://storage.azure.com. An application of the tenant must not receive
// tokens that clients request for those resources.
func firstPartyDomains() []string {
	return []string{
		"azure.com", "azure.net", "windows.net", "microsoft.com", "microsoftonline.com", "windowsazure.com", "azure-api.net",
		"azure.us", "usgovcloudapi.net", "microsoftonline.us", "microsoft.us", "azure.cn", "chinacloudapi.cn",
		"microsoftonline.cn", "partner.microsoftonline.cn", "microsoftazure.de", "cloudapi.de", "microsoftonline.de",
		"office.com", "office365.com", "office.net", "sharepoint.com", "outlook.com", "live.com", "skype.com",
		"powerbi.com", "dynamics.com", "crm.dynamics.com", "visualstudio.com", "azuredatabricks.net", "azurecr.io",
		"azconfig.io", "azuresynapse.net", "azure-devices.net", "azurehealthcareapis.com", "msidentity.com",
		"windows-ppe.net", "applicationinsights.io", "loganalytics.io", "kusto.windows.net",
		"azuredatalakestore.net", "botframework.com", "powerplatform.com", "powerapps.com", "onenote.com", "yammer.com",
	}
}

// firstPartyHosts are the hosts of Microsoft's identifier URIs without a domain: the audiences of
// assertions for federated identity credentials.
func firstPartyHosts() []string {
	return []string{"azureadtokenexchange", "azureadtokenexchangeusgov", "azureadtokenexchangechina"}
}

// firstPartyAppIDs are client ids of Microsoft's resources and clients that do not end in
// firstPartyIDSuffix.
func firstPartyAppIDs() []string {
	return []string{
		ARMAppID, AuthorizationAppID, AzureCLIAppID, AzurePowerShellAppID, VisualStudioCodeAppID, KubernetesAppID,
		visualStudioAppID, newVisualStudioAppID, azCopyAppID,
		"cfa8b339-82a2-471a-a3c9-0fc0be7a4093", // Azure Key Vault
		"e406a681-f3d4-42a8-90b6-c2b029497af1", // Azure Storage
		"022907d3-0f1b-48f7-badc-1ba6abab6d66", // Azure SQL Database
		"499b84ac-1321-427f-aa17-267ca6975798", // Azure DevOps
		"ca7f3f0b-7d91-482c-8e09-c5d840d0eac5", // Log Analytics
		"2746ea77-4702-4b45-80ca-3c97e680e8b7", // Azure Data Explorer
		"2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", // Azure Databricks
		"6dae42f8-4368-4678-94ff-3960e28e3630", // Azure Kubernetes Service
		"80369ed6-5f11-4dd9-bef3-692475845e77", // Azure Event Hubs
		"80a10ef9-8168-493d-abf9-3297c4ef6e3c", // Azure Service Bus
	}
}

// firstPartyIDSuffix ends the client ids of Microsoft's oldest resources, including Microsoft Graph.
const firstPartyIDSuffix = "-0000-0000-c000-000000000000"

func isFirstPartyAppID(id string) bool {
	return strings.HasSuffix(id, firstPartyIDSuffix) || slices.Contains(firstPartyAppIDs(), id)
}

// identifierParts returns the folded scheme of an identifier URI and the names in its authority: host, port
// and user information, or the parts of an opaque URI. The URI need not be valid.
func identifierParts(uri string) (scheme string, names []string) {
	scheme, rest, found := strings.Cut(arm.Fold(uri), ":")
	if !found {
		scheme, rest = "", scheme
	}
	rest = strings.TrimLeft(rest, `/\`)
	if end := strings.IndexAny(rest, `/\?#`); end >= 0 {
		rest = rest[:end]
	}
	if inside, found := strings.CutPrefix(rest, "["); found {
		inside, _, _ = strings.Cut(inside, "]")
		return scheme, []string{inside}
	}
	for _, name := range strings.FieldsFunc(rest, func(r rune) bool { return r == ':' || r == '@' }) {
		names = append(names, strings.TrimRight(name, "."))
	}
	return scheme, names
}

// isReserved reports whether an identifier URI names one of Microsoft's or this server's resources, in any
// spelling. URIs with escapes or characters outside ASCII cannot be compared and count as reserved.
func (d *Directory) isReserved(uri string) bool {
	scheme, names := identifierParts(uri)
	for i := range len(uri) {
		if uri[i] <= ' ' || uri[i] >= 0x7f {
			return true
		}
	}
	return slices.ContainsFunc(names, func(name string) bool {
		return scheme != "api" && d.isThisServer(name) || strings.Contains(name, "%") || isFirstPartyName(name)
	})
}

// isFirstPartyName reports whether a folded name in the authority of an identifier URI is one of Microsoft's.
func isFirstPartyName(name string) bool {
	return isFirstPartyAppID(name) || slices.Contains(firstPartyHosts(), name) ||
		slices.ContainsFunc(firstPartyDomains(), func(domain string) bool { return inDomain(name, domain) })
}

// MicrosoftResource reports whether an audience is one of Microsoft's resources: a URI in one of Microsoft's
// domains, or the client id of one.
func MicrosoftResource(audience string) bool {
	_, names := identifierParts(audience)
	return slices.ContainsFunc(names, isFirstPartyName)
}

// LearnsManagedIdentity reports whether tokens for an audience name the ARM resource of a managed identity
// (xms_mirid): those for Microsoft's resources and for this server at its origin. An application of the tenant learns
// only who calls, as in Entra.
func LearnsManagedIdentity(audience, origin string) bool {
	return MicrosoftResource(audience) || strings.TrimSuffix(audience, "/") == origin
}

// isThisServer reports whether a folded host may be this server. Every IP address counts, because the
// server may listen on all addresses.
func (d *Directory) isThisServer(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		return true
	}
	return slices.ContainsFunc(d.Hosts, func(host string) bool { return arm.SameName(strings.Trim(host, "[]."), name) })
}

// inDomain reports whether a folded host is a domain or a subdomain of it.
func inDomain(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// mayHaveIdentifier reports whether an application may have an identifier URI: it is not reserved, and a
// GUID in it is the application's client id or its tenant's id. It is checked at registration and again
// when a token is issued, because earlier versions did not check it.
func (d *Directory) mayHaveIdentifier(a Application, uri string) bool {
	if d.isReserved(uri) {
		return false
	}
	_, names := identifierParts(uri)
	return !slices.ContainsFunc(names, func(name string) bool {
		return arm.IsGUID(name) && !arm.SameName(name, a.AppID) && !arm.SameName(name, a.TenantID)
	})
}

// HasIdentifier reports whether an audience names an application: as its client id, as api://{client id},
// or as an identifier URI that it may have.
func (d *Directory) HasIdentifier(a Application, audience string) bool {
	same := func(name string) bool {
		return arm.SameName(strings.TrimSuffix(name, "/"), strings.TrimSuffix(audience, "/"))
	}
	if same(a.AppID) || same("api://"+a.AppID) {
		return true
	}
	return slices.ContainsFunc(a.IdentifierURIs, same) && d.mayHaveIdentifier(a, audience)
}

// checkIdentifier returns ErrInvalid or ErrReservedURI for an identifier URI that the application may not
// have.
func (d *Directory) checkIdentifier(a Application, uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Fragment != "" || u.User != nil || u.Host == "" && u.Opaque == "" || strings.ContainsAny(uri, ` *\`+"\x00") {
		return fmt.Errorf("%w: the value '%s' of property 'identifierUris' is not a URI that can name an application", ErrInvalid, uri)
	}
	if !d.mayHaveIdentifier(a, uri) {
		return fmt.Errorf("identifier URI %s: %w", uri, ErrReservedURI)
	}
	return nil
}

// CheckVerified returns an UnverifiedError for a new identifier URI that only a Global Administrator may
// set. Others may set api://{client id}, api://{client id}/…, api://{tenant id}/…, and api:// and https://
// URIs in a verified domain of the tenant or a subdomain.
func (d *Directory) CheckVerified(tx store.Tx, a Application) error {
	old, err := d.ApplicationByAppID(tx, a.TenantID, a.AppID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	t, err := d.Tenant(tx, a.TenantID)
	if err != nil {
		return fmt.Errorf("check the identifier URIs of application %s: %w", a.AppID, err)
	}
	for _, uri := range a.IdentifierURIs {
		had := slices.ContainsFunc(old.IdentifierURIs, func(o string) bool { return arm.SameName(o, uri) })
		if !had && !inVerifiedDomain(t, a, uri) {
			return &UnverifiedError{URI: uri}
		}
	}
	return nil
}

func inVerifiedDomain(t Tenant, a Application, uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "api" && u.Scheme != "https" {
		return false
	}
	host := arm.Fold(u.Hostname())
	if u.Scheme == "api" && (host == arm.Fold(a.AppID) || host == arm.Fold(t.ID) && len(u.Path) > 1) {
		return true
	}
	return t.DefaultDomain != "" && inDomain(host, arm.Fold(t.DefaultDomain))
}

// UnverifiedError is ErrUnverifiedDomain with the URI.
type UnverifiedError struct{ URI string }

func (e *UnverifiedError) Error() string { return ErrUnverifiedDomain.Error() + ": " + e.URI }

// Unwrap gives ErrUnverifiedDomain.
func (e *UnverifiedError) Unwrap() error { return ErrUnverifiedDomain }
