package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// NewConsent has the parameters of an administrator's consent to an application.
type NewConsent struct {
	App    string   // display name, client id or object id
	API    string   // identifier URI or client id of the resource
	Scopes []string // of delegated permissions, such as User.Read
	User   string   // user principal name or object id; empty for all users
}

// Consent is an oauth2PermissionGrant: the delegated permissions of an application at a resource.
type Consent struct {
	ID          string  `json:"id,omitempty"`
	ClientID    string  `json:"clientId"` // object id of the application's service principal
	ConsentType string  `json:"consentType"`
	PrincipalID *string `json:"principalId"`
	ResourceID  string  `json:"resourceId"` // object id of the resource's service principal
	Scope       string  `json:"scope"`
}

// Consent lets an application act for all users, or for one, at a resource. It creates a permission grant,
// or adds the permissions to an existing one.
func (c *Client) Consent(ctx context.Context, n NewConsent) (Consent, error) {
	app, err := c.app(ctx, n.App)
	if err != nil {
		return Consent{}, err
	}
	client, err := one[Object](ctx, c, "service principal of the application", graphPath+"servicePrincipals", "appId", app.ClientID)
	if err != nil {
		return Consent{}, err
	}
	resource, err := c.resource(ctx, n.API)
	if err != nil {
		return Consent{}, err
	}
	g := Consent{ClientID: client.ID, ConsentType: "AllPrincipals", ResourceID: resource.ID, Scope: strings.Join(n.Scopes, " ")}
	if n.User != "" {
		var user Object
		if err := c.call(ctx, http.MethodGet, graphPath+"users/"+url.PathEscape(n.User), nil, &user); err != nil {
			return g, err
		}
		g.ConsentType, g.PrincipalID = "Principal", &user.ID
	}
	return c.grant(ctx, g)
}

// grant creates a permission grant, or adds the permissions to an existing one.
func (c *Client) grant(ctx context.Context, g Consent) (Consent, error) {
	const grants = graphPath + "oauth2PermissionGrants"
	filter := "clientId eq " + literal(g.ClientID) + " and resourceId eq " + literal(g.ResourceID) + " and consentType eq " + literal(g.ConsentType)
	if g.PrincipalID != nil {
		filter += " and principalId eq " + literal(*g.PrincipalID)
	}
	found, err := list[Consent](ctx, c, grants, url.Values{"$filter": {filter}})
	if err != nil {
		return g, err
	}
	if len(found) == 0 {
		return g, c.call(ctx, http.MethodPost, grants, g, &g)
	}
	old := found[0]
	scopes := strings.Fields(old.Scope)
	for scope := range strings.FieldsSeq(g.Scope) {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	old.Scope = strings.Join(scopes, " ")
	return old, c.call(ctx, http.MethodPatch, grants+"/"+old.ID, map[string]string{"scope": old.Scope}, nil)
}

// resource finds the service principal of an API by an identifier URI or client id.
func (c *Client) resource(ctx context.Context, api string) (Object, error) {
	found, err := list[Object](ctx, c, graphPath+"servicePrincipals", url.Values{"$filter": {"servicePrincipalNames/any(n:n eq " + literal(api) + ")"}})
	if err == nil && len(found) == 0 {
		return one[Object](ctx, c, "resource", graphPath+"servicePrincipals", "displayName", api)
	}
	if err != nil {
		return Object{}, err
	}
	return found[0], nil
}
