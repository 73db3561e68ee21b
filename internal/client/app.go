package client

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"time"

	"midas/internal/arm"
)

// App is an application with its service principal in this tenant.
type App struct {
	ObjectID    string `json:"id"`
	ClientID    string `json:"appId"`
	DisplayName string `json:"displayName"`
	PrincipalID string `json:"principalId,omitempty"` // of the service principal; only when it was just made
}

// NewApp has the properties of a new application.
type NewApp struct {
	DisplayName    string
	IdentifierURIs []string
	Redirects      []string // redirect URIs of sign-ins
	Public         bool     // a public client: a program on its user's machine, which cannot keep a secret
	Page           bool     // a single-page application: its redirect URIs are those of a page in a browser
	TokenVersion   int      // of access tokens for it: 1 or 2; 0 is the default of Microsoft Graph
}

// CreateApp creates an application and its service principal.
func (c *Client) CreateApp(ctx context.Context, n NewApp) (App, error) {
	type redirects struct {
		URIs []string `json:"redirectUris"`
	}
	type api struct {
		TokenVersion int `json:"requestedAccessTokenVersion"`
	}
	body := struct {
		DisplayName    string     `json:"displayName"`
		IdentifierURIs []string   `json:"identifierUris,omitempty"`
		Web            *redirects `json:"web,omitempty"`
		SPA            *redirects `json:"spa,omitempty"`
		PublicClient   *redirects `json:"publicClient,omitempty"`
		Fallback       bool       `json:"isFallbackPublicClient,omitempty"`
		API            *api       `json:"api,omitempty"`
	}{DisplayName: n.DisplayName, IdentifierURIs: n.IdentifierURIs, Fallback: n.Public}
	if n.TokenVersion != 0 {
		body.API = &api{n.TokenVersion}
	}
	switch {
	case len(n.Redirects) > 0 && n.Page:
		body.SPA = &redirects{n.Redirects}
	case len(n.Redirects) > 0 && n.Public:
		body.PublicClient = &redirects{n.Redirects}
	case len(n.Redirects) > 0:
		body.Web = &redirects{n.Redirects}
	}
	var app App
	if err := c.call(ctx, http.MethodPost, graphPath+"applications", body, &app); err != nil {
		return App{}, err
	}
	var principal Object
	err := c.call(ctx, http.MethodPost, graphPath+"servicePrincipals", map[string]string{"appId": app.ClientID}, &principal)
	app.PrincipalID = principal.ID
	return app, err
}

// Apps lists the applications.
func (c *Client) Apps(ctx context.Context) ([]App, error) {
	return list[App](ctx, c, graphPath+"applications", nil)
}

// app finds an application by its client id, object id or display name.
func (c *Client) app(ctx context.Context, app string) (App, error) {
	if !arm.IsGUID(app) {
		return one[App](ctx, c, "application", graphPath+"applications", "displayName", app)
	}
	found, err := one[App](ctx, c, "application", graphPath+"applications", "appId", app)
	if err == nil {
		return found, nil
	}
	return one[App](ctx, c, "application", graphPath+"applications", "id", app)
}

// DeleteApp deletes an application and its service principal.
func (c *Client) DeleteApp(ctx context.Context, app string) error {
	a, err := c.app(ctx, app)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodDelete, graphPath+"applications/"+a.ObjectID, nil, nil)
}

// AddSecret makes another secret for an application and returns it. It cannot be read again.
func (c *Client) AddSecret(ctx context.Context, app, label string, end time.Time) (string, error) {
	a, err := c.app(ctx, app)
	if err != nil {
		return "", err
	}
	type credential struct {
		DisplayName string    `json:"displayName"`
		End         time.Time `json:"endDateTime"`
	}
	body := struct {
		Credential credential `json:"passwordCredential"`
	}{credential{label, end.UTC()}}
	var made struct {
		Secret string `json:"secretText"`
	}
	err = c.call(ctx, http.MethodPost, graphPath+"applications/"+a.ObjectID+"/addPassword", body, &made)
	return made.Secret, err
}

// AddCertificate adds a certificate (DER) to an application, which can then sign assertions with its key.
func (c *Client) AddCertificate(ctx context.Context, app, label string, der []byte) error {
	a, err := c.app(ctx, app)
	if err != nil {
		return err
	}
	path := graphPath + "applications/" + a.ObjectID
	var held struct {
		Keys []map[string]any `json:"keyCredentials"`
	}
	if err := c.call(ctx, http.MethodGet, path+"?$select=id,keyCredentials", nil, &held); err != nil {
		return err
	}
	// PATCH replaces the whole list. The existing certificates are identified by their keyIds.
	held.Keys = append(slices.Clip(held.Keys), map[string]any{
		"type": "AsymmetricX509Cert", "usage": "Verify", "displayName": label, "key": base64.StdEncoding.EncodeToString(der),
	})
	return c.call(ctx, http.MethodPatch, path, held, nil)
}
