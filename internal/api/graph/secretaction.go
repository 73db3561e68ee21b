package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"midas/internal/directory"
	"midas/internal/store"
)

// addPassword generates a secret of an application or of a service principal. Only this response contains its
// text.
func (h *Handler) addPassword(ctx context.Context, req *Request) (*Response, error) {
	var body struct {
		DisplayName   json.RawMessage `json:"displayName"`
		StartDateTime *string         `json:"startDateTime"`
		EndDateTime   *string         `json:"endDateTime"`
	}
	if raw, given := req.Body["passwordCredential"]; given && json.Unmarshal(raw, &body) != nil {
		return nil, errValue("passwordCredential")
	}
	start := h.Now().UTC()
	if err := setTime("startDateTime", &start, body.StartDateTime); err != nil {
		return nil, err
	}
	end := start.AddDate(2, 0, 0)
	if err := setTime("endDateTime", &end, body.EndDateTime); err != nil {
		return nil, err
	}
	if !start.Before(end) {
		return nil, errBadRequest("The endDateTime of a credential must be later than its startDateTime.")
	}
	secretText := directory.GenerateSecret()
	secret, err := directory.NewSecret(h.NewID(), secretText, start, end)
	if err != nil {
		return nil, err
	}
	if req.Object.kind == directory.ObjectServicePrincipal {
		secret.Hint = "" // Graph shows no hints of these
	}
	if body.DisplayName != nil {
		if err := setText("displayName", 120, &secret.DisplayName, body.DisplayName); err != nil {
			return nil, err
		}
	}
	err = h.update(ctx, req, func(tx store.Tx) error { return h.addSecret(tx, req, secret) })
	if err != nil {
		return nil, err
	}
	created := passwordCredential(secret, string(secretText)).prefixed(property{"@odata.context", req.context("microsoft.graph.passwordCredential", nil, false)})
	return &Response{Status: http.StatusOK, Body: created}, nil
}

func (h *Handler) removePassword(ctx context.Context, req *Request) (*Response, error) {
	var keyID string
	if json.Unmarshal(req.Body["keyId"], &keyID) != nil || keyID == "" {
		return nil, errBadRequest("The parameter 'keyId' is required.")
	}
	err := h.update(ctx, req, func(tx store.Tx) error {
		err := h.removeSecret(tx, req, keyID)
		if errors.Is(err, directory.ErrNotFound) {
			return errBadRequest("No password credential found with keyId '%s'.", clip(keyID))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

// addSecret adds a secret to the object of the request, an application or a service principal.
func (h *Handler) addSecret(tx store.Tx, req *Request, s directory.Secret) error {
	if req.Object.kind == directory.ObjectServicePrincipal {
		return h.Directory.AddPrincipalSecret(tx, req.Caller.tenant, req.Object.id, s)
	}
	a, err := h.Directory.Application(tx, req.Caller.tenant, req.Object.id)
	if err != nil {
		return err
	}
	return h.Directory.AddSecret(tx, req.Caller.tenant, a.AppID, s)
}

func (h *Handler) removeSecret(tx store.Tx, req *Request, keyID string) error {
	if req.Object.kind == directory.ObjectServicePrincipal {
		return h.Directory.RemovePrincipalSecret(tx, req.Caller.tenant, req.Object.id, keyID)
	}
	a, err := h.Directory.Application(tx, req.Caller.tenant, req.Object.id)
	if err != nil {
		return err
	}
	return h.Directory.RemoveSecret(tx, req.Caller.tenant, a.AppID, keyID)
}
