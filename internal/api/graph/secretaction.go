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
	var name string
	if body.DisplayName != nil {
		if err := setText("displayName", 120, &name, body.DisplayName); err != nil {
			return nil, err
		}
	}
	reserved, err := h.secretName(ctx, req, name)
	if err != nil {
		return nil, err
	}
	secretText := h.Directory.NewSecretText(reserved)
	secret, err := directory.NewSecret(h.NewID(), secretText, start, end)
	if err != nil {
		return nil, err
	}
	secret.DisplayName = name
	if req.Object.kind == directory.ObjectServicePrincipal {
		secret.Hint = "" // Graph shows no hints of these
	}
	err = h.update(ctx, req, func(tx store.Tx) error { return h.addSecret(tx, req, secret) })
	if err != nil {
		return nil, err
	}
	h.Directory.UsedIDs(directory.ReservedSecret, reserved)
	created := passwordCredential(secret, string(secretText)).prefixed(property{"@odata.context", req.context("microsoft.graph.passwordCredential", nil, false)})
	return &Response{Status: http.StatusOK, Body: created}, nil
}

// secretName returns the name by which a laboratory may have reserved the text of an application's secret. It reads
// nothing without a laboratory.
func (h *Handler) secretName(ctx context.Context, req *Request, name string) (reserved string, err error) {
	if h.Directory.Reservations == nil || req.Object.kind == directory.ObjectServicePrincipal {
		return "", nil
	}
	err = h.Store.View(ctx, func(tx store.Tx) error {
		a, err := h.Directory.Application(tx, req.Caller.tenant, req.Object.id)
		reserved = directory.SecretName(a.DisplayName, name)
		return err
	})
	return reserved, err
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
