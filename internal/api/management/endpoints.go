package management

import (
	"net/http"

	"midas/internal/api/httpx"
	"midas/internal/azure"
)

// endpointsPath is where clients that are told of one server ask for all that belongs to its cloud.
// It has no place in the operation table: it is not a resource, it wants no token, and what it
// answers depends on the version altogether.
const endpointsPath = "/metadata/endpoints"

// endpointsV2015 is the first shape.
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

// endpointsCloud is a cloud in the later shapes: a list of it, and then one of it alone. Services
// that Midas does not stand for are left out, so that a client that needs one says so.
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

// endpoints answers with the shape of the version. Tools ask for versions of many years; those
// without a shape of their own get that of the latest one before them.
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

// cloud describes the server, under the names by which the client knows it. Under Azure's it is
// AzureCloud, since tools compare the name with the one that they were configured for.
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
		// Names that other services would have. Nothing answers there; some tools want to read them.
		Suffixes: map[string]string{
			"storage": "core.windows.net", "keyVaultDns": "vault.azure.net", "sqlServerHostname": ".database.windows.net",
			"acrLoginServer": "azurecr.io",
		},
	}
}
