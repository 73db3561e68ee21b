package management

import (
	"context"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/explain"
	"midas/internal/federation"
	"midas/internal/identity"
	"midas/internal/store"
)

// typeExplainExchange is Midas's own operation that says why the token of another issuer is exchanged or refused.
const typeExplainExchange arm.Type = "Midas.Authorization/explainExchange"

// maxExchangeBody bounds the body of an explainExchange, in bytes: a token that is too long is still explained.
const maxExchangeBody = 48 << 10

// Exchanges decides about exchanges as the token endpoint does. It grants nothing. The error is one of the server.
type Exchanges interface {
	Attempt(ctx context.Context, tenant, clientID string, assertion directory.SecretText) (federation.Attempt, error)
}

// explainExchange serves POST /providers/Midas.Authorization/explainExchange. Nothing of the request is kept.
func (h *Handler) explainExchange(ctx context.Context, r *Request) (*Response, error) {
	var body wire.ExplainExchange
	r.HTTP.Body = http.MaxBytesReader(nil, r.HTTP.Body, maxExchangeBody)
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	clientID, valid := arm.ParseGUID(body.ClientID)
	switch {
	case body.ClientID == "":
		return nil, arm.ErrInvalidContent("Required property 'clientId' not found in JSON. Path ''")
	case !valid:
		return nil, arm.Errorf(http.StatusBadRequest, "InvalidClientId", "The client id '%s' is not a GUID.", clipped(body.ClientID))
	case body.Token == "":
		return nil, arm.ErrInvalidContent("Required property 'token' not found in JSON. Path ''")
	}
	var c explain.Client
	var may, operator bool
	err := h.Store.View(ctx, func(tx store.Tx) (err error) {
		if c, may, err = h.Explain.ExchangeClient(tx, r.Caller, clientID); err != nil || !may {
			return err
		}
		operator, err = h.isOperator(tx, r)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !may:
		return nil, arm.Errorf(http.StatusNotFound, "ClientNotFound",
			"There is no application and no managed identity with the client id '%s' whose federated identity credentials you may read.", clientID)
	case h.Exchanges == nil:
		return nil, arm.Errorf(http.StatusServiceUnavailable, "ServiceUnavailable", "This server exchanges no tokens.")
	}
	made, err := h.Exchanges.Attempt(ctx, r.Caller.TenantID, clientID, body.Token)
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeExchange(wire.ExchangeAnswer{
		Client: exchangeClient(c), Holder: holder(c),
		Question: federation.Question{
			Attempt: made, Raw: string(body.Token), Disabled: c.Principal.ID != "" && !c.Principal.Enabled, Now: h.Now(),
			Inspect: h.Inspect, Operator: operator,
		},
	}))
}

// isOperator reports whether the caller may know about the server's network and configuration: it is a Global
// Administrator of the tenant that the server was made with.
func (h *Handler) isOperator(tx store.Tx, r *Request) (bool, error) {
	if !arm.SameName(r.Caller.TenantID, h.HomeTenant) {
		return false, nil
	}
	return h.Directory.IsGlobalAdministrator(tx, r.Caller.TenantID, r.Caller.ObjectID)
}

func exchangeClient(c explain.Client) wire.ExchangeClient {
	p := c.Principal
	out := wire.ExchangeClient{ClientID: p.AppID, PrincipalID: p.ID, Name: p.DisplayName, Type: "ManagedIdentity", Enabled: p.Enabled, ResourceID: p.ResourceID}
	if p.Type != directory.TypeManagedIdentity {
		out.ClientID, out.Name, out.Type = c.Application.AppID, c.Application.DisplayName, "Application"
	}
	return out
}

// holder names the client for the commands of Azure CLI.
func holder(c explain.Client) federation.Holder {
	if c.Principal.Type != directory.TypeManagedIdentity {
		return federation.Holder{AppID: c.Application.AppID}
	}
	if !c.Scope.Type().Is(identity.Type) {
		return federation.Holder{} // a system-assigned identity, which cannot have credentials
	}
	return federation.Holder{Subscription: c.Scope.Subscription(), Group: c.Scope.ResourceGroup(), Identity: c.Scope.Name()}
}
