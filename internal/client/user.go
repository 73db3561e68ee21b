package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// User is a user of the directory.
type User struct {
	ID                string `json:"id"`
	UserPrincipalName string `json:"userPrincipalName"`
	DisplayName       string `json:"displayName"`
}

type passwordProfile struct {
	Password    string `json:"password"`
	ForceChange bool   `json:"forceChangePasswordNextSignIn"`
}

// AddUser creates a user who can sign in with the password.
func (c *Client) AddUser(ctx context.Context, name, displayName, password string) (u User, err error) {
	nickname, _, _ := strings.Cut(name, "@")
	body := struct {
		Enabled           bool            `json:"accountEnabled"`
		DisplayName       string          `json:"displayName"`
		MailNickname      string          `json:"mailNickname"`
		UserPrincipalName string          `json:"userPrincipalName"`
		Password          passwordProfile `json:"passwordProfile"`
	}{true, displayName, nickname, name, passwordProfile{Password: password}}
	return u, c.call(ctx, http.MethodPost, graphPath+"users", body, &u)
}

// Users lists the users.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	return list[User](ctx, c, graphPath+"users", nil)
}

// SetPassword sets the password of a user, by id or user principal name.
func (c *Client) SetPassword(ctx context.Context, user, password string) error {
	body := struct {
		Password passwordProfile `json:"passwordProfile"`
	}{passwordProfile{Password: password}}
	return c.call(ctx, http.MethodPatch, userPath(user), body, nil)
}

// DeleteUser deletes a user.
func (c *Client) DeleteUser(ctx context.Context, user string) error {
	return c.call(ctx, http.MethodDelete, userPath(user), nil, nil)
}

func userPath(user string) string { return graphPath + "users/" + url.PathEscape(user) }
