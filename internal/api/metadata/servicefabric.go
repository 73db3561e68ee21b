package metadata

import (
	"net/http"

	"midas/internal/host"
)

const serviceFabricVersion = "2019-07-01-preview"

// serviceFabric is the protocol of Azure Service Fabric. It is served over TLS. Clients verify the certificate by
// its thumbprint.
type serviceFabric struct{ secret secret }

// NewServiceFabric serves the protocol of Azure Service Fabric to clients that send the secret.
func NewServiceFabric(c Config, known host.Secret) *Endpoint {
	return newEndpoint(c, serviceFabric{newSecret(known)})
}

func (p serviceFabric) serve(req *request) error {
	if !req.pathIs(pathToken) {
		return errNotFound()
	}
	req.ev.Operation = "servicefabric/token"
	q, err := p.secret.query(req, serviceFabricVersion)
	if err != nil {
		return err
	}
	// In Service Fabric, the application's manifest selects the identity; requests have no selector.
	t, err := req.token(q, selectorNames{})
	if err != nil {
		return err
	}
	return req.send(newBody(t).
		text("token_type", "Bearer").
		text("access_token", string(t.Raw)).
		number("expires_on", t.Expires.Unix()).
		text("resource", t.Audience))
}

func (p serviceFabric) errorBody(req *request, f *fault) any {
	code := "InvalidRequest"
	switch f.kind {
	case kindIdentity, kindSeveral:
		code = "ManagedIdentityNotFound"
	case kindAudience:
		code = "ArgumentNullOrEmpty"
	case kindSecret:
		code = "SecretHeaderNotFound"
	case kindVersion:
		code = "InvalidApiVersion"
	}
	if f.status >= http.StatusInternalServerError {
		code = "InternalServerError"
	}
	var body struct {
		Error struct {
			Correlation string `json:"correlationId"`
			Code        string `json:"code"`
			Message     string `json:"message"`
		} `json:"error"`
	}
	body.Error.Correlation, body.Error.Code, body.Error.Message = req.NewID(), code, f.text
	return body
}
