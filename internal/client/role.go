package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"midas/internal/arm"
)

// Principal finds a user, a group or a service principal by object id, client id, user principal name or display name.
func (c *Client) Principal(ctx context.Context, who string) (Object, error) {
	if strings.Contains(who, "@") {
		o := Object{Type: "#microsoft.graph.user"}
		return o, c.call(ctx, http.MethodGet, userPath(who), nil, &o)
	}
	if arm.IsGUID(who) {
		return c.principalByID(ctx, who)
	}
	group, err := one[Object](ctx, c, "principal", graphPath+"groups", "displayName", who)
	if err == nil {
		group.Type = "#microsoft.graph.group"
		return group, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return Object{}, err
	}
	return servicePrincipal(ctx, c, "displayName", who)
}

func (c *Client) principalByID(ctx context.Context, id string) (Object, error) {
	var found struct{ Value []Object }
	if err := c.call(ctx, http.MethodPost, graphPath+"directoryObjects/getByIds", map[string][]string{"ids": {id}}, &found); err != nil {
		return Object{}, err
	}
	if len(found.Value) == 1 && found.Value[0].Type != "#microsoft.graph.application" {
		return found.Value[0], nil
	}
	return servicePrincipal(ctx, c, "appId", id)
}

func servicePrincipal(ctx context.Context, c *Client, property, value string) (Object, error) {
	o, err := one[Object](ctx, c, "principal", graphPath+"servicePrincipals", property, value)
	o.Type = "#microsoft.graph.servicePrincipal"
	return o, err
}

// roleVersion is the api-version of Microsoft.Authorization.
const roleVersion = "2022-04-01"

// AssignRole gives a principal a role, by its name or id, at a scope, and returns the assignment's
// id. An empty scope is the administrator's subscription.
func (c *Client) AssignRole(ctx context.Context, who, role, scope string) (string, error) {
	scope, err := c.scope(scope)
	if err != nil {
		return "", err
	}
	principal, err := c.Principal(ctx, who)
	if err != nil {
		return "", err
	}
	definition, err := c.role(ctx, role, scope)
	if err != nil {
		return "", err
	}
	type properties struct {
		Definition string `json:"roleDefinitionId"`
		Principal  string `json:"principalId"`
		Type       string `json:"principalType"`
	}
	body := struct {
		Properties properties `json:"properties"`
	}{properties{definition, principal.ID, principal.Kind()}}
	var made struct{ ID string }
	path := scope + "/providers/Microsoft.Authorization/roleAssignments/" + c.NewID() + "?api-version=" + roleVersion
	err = c.call(ctx, http.MethodPut, path, body, &made)
	return made.ID, err
}

// role finds the id of a role's definition.
func (c *Client) role(ctx context.Context, role, scope string) (string, error) {
	definitions := scope + "/providers/Microsoft.Authorization/roleDefinitions"
	if arm.IsGUID(role) {
		return definitions + "/" + role, nil
	}
	var found struct{ Value []struct{ ID string } }
	query := url.Values{"api-version": {roleVersion}, "$filter": {"roleName eq " + literal(role)}}
	if err := c.call(ctx, http.MethodGet, definitions+"?"+query.Encode(), nil, &found); err != nil {
		return "", err
	}
	if len(found.Value) != 1 {
		return "", fmt.Errorf("role %q: %w", role, ErrNotFound)
	}
	return found.Value[0].ID, nil
}
