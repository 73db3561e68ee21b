package client

import (
	"context"
	"net/http"
	"strings"

	"midas/internal/arm"
)

// Group is a security group of the directory.
type Group struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
}

// Object is a directory object that can be a member of a group or have a role.
type Object struct {
	Type              string `json:"@odata.type"` // #microsoft.graph.user
	ID                string `json:"id"`
	DisplayName       string `json:"displayName"`
	UserPrincipalName string `json:"userPrincipalName"`
}

// Kind is the object's type as role assignments name it.
func (o Object) Kind() string {
	switch strings.TrimPrefix(o.Type, "#microsoft.graph.") {
	case "user":
		return "User"
	case "group":
		return "Group"
	}
	return "ServicePrincipal"
}

// AddGroup creates a group.
func (c *Client) AddGroup(ctx context.Context, name string) (g Group, err error) {
	body := struct {
		DisplayName  string `json:"displayName"`
		MailNickname string `json:"mailNickname"`
		MailEnabled  bool   `json:"mailEnabled"`
		Security     bool   `json:"securityEnabled"`
	}{name, nickname(name), false, true}
	return g, c.call(ctx, http.MethodPost, graphPath+"groups", body, &g)
}

// nickname removes the characters that are not allowed in a mail address.
func nickname(name string) string {
	kept := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return -1
	}, name)
	if kept == "" {
		return "group"
	}
	return kept
}

// Groups lists the groups.
func (c *Client) Groups(ctx context.Context) ([]Group, error) {
	return list[Group](ctx, c, graphPath+"groups", nil)
}

// group finds a group by its id or display name.
func (c *Client) group(ctx context.Context, group string) (g Group, err error) {
	if arm.IsGUID(group) {
		return g, c.call(ctx, http.MethodGet, graphPath+"groups/"+group, nil, &g)
	}
	return one[Group](ctx, c, "group", graphPath+"groups", "displayName", group)
}

// DeleteGroup deletes a group. Its members stay.
func (c *Client) DeleteGroup(ctx context.Context, group string) error {
	g, err := c.group(ctx, group)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodDelete, graphPath+"groups/"+g.ID, nil, nil)
}

// Members lists the direct members of a group.
func (c *Client) Members(ctx context.Context, group string) ([]Object, error) {
	g, err := c.group(ctx, group)
	if err != nil {
		return nil, err
	}
	return list[Object](ctx, c, graphPath+"groups/"+g.ID+"/members", nil)
}

// AddMember adds a user, a group or a service principal to a group.
func (c *Client) AddMember(ctx context.Context, group, member string) error {
	g, o, err := c.membership(ctx, group, member)
	if err != nil {
		return err
	}
	body := map[string]string{"@odata.id": graphResource + graphPath + "directoryObjects/" + o.ID}
	return c.call(ctx, http.MethodPost, graphPath+"groups/"+g.ID+"/members/$ref", body, nil)
}

// RemoveMember removes a member from a group.
func (c *Client) RemoveMember(ctx context.Context, group, member string) error {
	g, o, err := c.membership(ctx, group, member)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodDelete, graphPath+"groups/"+g.ID+"/members/"+o.ID+"/$ref", nil, nil)
}

func (c *Client) membership(ctx context.Context, group, member string) (g Group, o Object, err error) {
	if g, err = c.group(ctx, group); err != nil {
		return g, o, err
	}
	o, err = c.Principal(ctx, member)
	return g, o, err
}
