package metadata

import (
	"net/http"

	"midas/internal/host"
)

const serviceFabricVersion = "2019-07-01-preview"

// serviceFabric is the protocol of Azure Service Fabric. It is served over TLS, with a certificate that
// clients know by its thumbprint.
type serviceFabric struct{ secret secret }

// NewServiceFabric serves the protocol of Azure Service Fabric to those who know the secret.
func NewServiceFabric(c Config, known host.Secret) *Endpoint {
	return newEndpoint(c, serviceFabric{newSecret(known)})
}

func (p serviceFabric) serve(x *exchange) error {
	if !x.at(pathToken) {
		return errNotFound()
	}
	x.ev.Operation = "servicefabric/token"
	q, err := p.secret.query(x, serviceFabricVersion)
	if err != nil {
		return err
	}
	// Which identity it is, is for the application's manifest to say, not for the request.
	t, err := x.token(q, names{})
	if err != nil {
		return err
	}
	return x.send(room(t).
		text("token_type", "Bearer").
		text("access_token", string(t.Raw)).
		number("expires_on", t.Expires.Unix()).
		text("resource", t.Audience))
}

func (p serviceFabric) word(x *exchange, f *fault) any {
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
	body.Error.Correlation, body.Error.Code, body.Error.Message = x.NewID(), code, f.text
	return body
}
