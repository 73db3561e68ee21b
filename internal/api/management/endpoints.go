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

// endpointsV2015 is the answer in versions before 2018-01-01.
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

// endpointsCloud is the cloud in later versions: in a list from 2018-01-01, alone from 2022-09-01. Services that
// Midas does not have are left out, so that a client that needs one reports it as missing.
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

// endpoints answers a request for the endpoints of the cloud. Each version gets the shape of the latest
// version before it that changed the shape.
func (h *Handler) endpoints(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.Operation = "endpoints"
	h.head(w.Header(), r, ev)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.fail(w, r, ev, errMethod(r.Method, "GET, HEAD"))
		return
	}
	cloud := h.cloud(r.Host)
	var body any
	switch version := r.URL.Query().Get("api-version"); {
	case version >= "2022-09-01":
		body = cloud
	case version >= "2018-01-01":
		body = []endpointsCloud{cloud}
	default:
		body = endpointsV2015{
			Gallery: cloud.Gallery, Graph: cloud.Graph, Portal: cloud.Portal, Authentication: cloud.Authentication.endpointsSignInV1,
		}
	}
	ev.Err = httpx.WriteJSON(w, http.StatusOK, body)
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
			"storage": "core.windows.net", "keyVaultDns": "vault.azure.net", "sqlServerHostname": ".database.windows.net",
			"acrLoginServer": "azurecr.io",
		},
	}
}
