package management

import (
	"net/http"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/azure"
)

// endpointsPath is the path at which clients discover the endpoints of a cloud. It is not in the operation
// table: it is not a resource, needs no token, and its answer has another shape in each version.
const endpointsPath = "/metadata/endpoints"

// isEndpoints reports whether a path is endpointsPath, in any case and with or without a slash at its end, as for
// the paths of the table.
func isEndpoints(path string) bool {
	return arm.SameName(strings.TrimSuffix(path, "/"), endpointsPath)
}

// The first api-versions of the shapes of the answer that differ from the shape before.
const (
	endpointsRegions = "2017-12-01" // one object with the ARM endpoint of each cloud
	endpointsList    = "2019-05-01" // a list of clouds
	endpointsAlone   = "2022-09-01" // the cloud alone, and its loginEndpoint without a slash at its end
)

// endpointsV2015 is the answer of the first versions.
type endpointsV2015 struct {
	Gallery        string            `json:"galleryEndpoint"`
	Graph          string            `json:"graphEndpoint"`
	Portal         string            `json:"portalEndpoint"`
	Authentication endpointsSignInV1 `json:"authentication"`
}

type endpointsSignInV1 struct {
	Login     string   `json:"loginEndpoint"`
	Audiences []string `json:"audiences"`
}

// endpointsV2018 is the answer from 2017-12-01 on.
type endpointsV2018 struct {
	Gallery        string                     `json:"galleryEndpoint"`
	Graph          string                     `json:"graphEndpoint"`
	Portal         string                     `json:"portalEndpoint"`
	GraphAudience  string                     `json:"graphAudience"`
	Authentication endpointsSignInV2          `json:"authentication"`
	Clouds         map[string]endpointsRegion `json:"cloudEndpoint"`
}

// endpointsRegion has the authority of a cloud's ARM. Azure lists the regions too. Midas does not, because Terraform
// then refuses every other region, and Midas accepts any well-formed one.
type endpointsRegion struct {
	Endpoint string `json:"endpoint"`
}

// endpointsCloud is the cloud from 2019-05-01 on. Services that Midas does not have are left out, so that a client
// that needs one reports it as missing.
type endpointsCloud struct {
	Name            string            `json:"name"`
	ResourceManager string            `json:"resourceManager"`
	Authentication  endpointsSignInV2 `json:"authentication"`
	Portal          string            `json:"portal"`
	Gallery         string            `json:"gallery"`
	Graph           string            `json:"graph"`
	GraphAudience   string            `json:"graphAudience"`
	MicrosoftGraph  string            `json:"microsoftGraphResourceId"`
	Suffixes        map[string]string `json:"suffixes"`
}

type endpointsSignInV2 struct {
	endpointsSignInV1
	Tenant           string `json:"tenant"`
	IdentityProvider string `json:"identityProvider"`
}

// endpoints answers a request for the endpoints of the cloud.
func (h *Handler) endpoints(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.Operation = "endpoints"
	h.head(w.Header(), r, ev)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.fail(w, r, ev, errMethod(r.Method, "GET, HEAD"))
		return
	}
	ev.Err = httpx.WriteJSON(w, http.StatusOK, h.cloud(r.Host).in(r.URL.Query().Get("api-version")))
}

// in returns the answer in the shape of an api-version. A version that Azure does not have gets the shape of the
// latest version before it. Clients append paths to loginEndpoint: those of 2022-09-01 begin them with a slash, and
// those of earlier versions do not.
func (c endpointsCloud) in(version string) any {
	switch {
	case version >= endpointsAlone:
		c.Authentication.Login = strings.TrimSuffix(c.Authentication.Login, "/")
		return c
	case version >= endpointsList:
		return []endpointsCloud{c}
	case version >= endpointsRegions:
		_, authority, _ := strings.Cut(strings.TrimSuffix(c.ResourceManager, "/"), "://")
		return endpointsV2018{
			Gallery: c.Gallery, Graph: c.Graph, Portal: c.Portal, GraphAudience: c.GraphAudience, Authentication: c.Authentication,
			Clouds: map[string]endpointsRegion{"public": {authority}},
		}
	}
	return endpointsV2015{Gallery: c.Gallery, Graph: c.Graph, Portal: c.Portal, Authentication: c.Authentication.endpointsSignInV1}
}

// cloud describes the server with the host names that the client uses. If these are Azure's, the name of the
// cloud is AzureCloud, because tools compare it with the name of the cloud in their configuration.
func (h *Handler) cloud(host string) endpointsCloud {
	o, name := azure.OriginsFor(host, h.Origin), "Midas"
	if azure.APIOf(host) != azure.None {
		name = "AzureCloud"
	}
	return endpointsCloud{
		Name: name, ResourceManager: o.Management + "/", Portal: h.Origin + "/", Gallery: o.Management + "/",
		Graph: o.Graph + "/", GraphAudience: o.Graph + "/", MicrosoftGraph: o.Graph + "/",
		Authentication: endpointsSignInV2{
			endpointsSignInV1: endpointsSignInV1{
				Login:     o.Login + "/",
				Audiences: []string{"https://management.core.windows.net/", "https://management.azure.com/"},
			},
			Tenant: "common", IdentityProvider: "AAD",
		},
		// Host name suffixes of other services. Midas does not serve them, but some tools fail without them.
		Suffixes: map[string]string{
			"storage": "core.windows.net", "keyVaultDns": "vault.azure.net", "sqlServerHostname": "database.windows.net",
			"acrLoginServer": "azurecr.io",
		},
	}
}
