package client

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/arm"
)

// Subscription is a subscription of the administrator's tenant.
type Subscription struct {
	ID    string `json:"subscriptionId"`
	Name  string `json:"displayName"`
	State string `json:"state"` // Enabled or Disabled
}

const (
	subscriptionVersion = "2021-10-01" // of Microsoft.Subscription
	coreVersion         = "2022-12-01" // of subscriptions themselves
	groupPrefix         = "/providers/Microsoft.Management/managementGroups/"
)

// NewSubscription is a request for a subscription.
type NewSubscription struct {
	Name  string
	Alias string // makes the request repeatable; empty means a new one
	Group string // the name of a management group; empty means the default group of the tenant
	Owner string // a user, group or service principal as in Principal; empty means the administrator
}

// CreateSubscription creates a subscription, or finds the one that was created with the same alias, and returns its
// id.
func (c *Client) CreateSubscription(ctx context.Context, n NewSubscription) (string, error) {
	type additional struct {
		Group string `json:"managementGroupId,omitempty"`
		Owner string `json:"subscriptionOwnerId,omitempty"`
	}
	type properties struct {
		Name       string     `json:"displayName"`
		Workload   string     `json:"workload"`
		Additional additional `json:"additionalProperties"`
	}
	body := struct {
		Properties properties `json:"properties"`
	}{properties{Name: n.Name, Workload: "Production"}}
	if n.Group != "" {
		body.Properties.Additional.Group = groupPrefix + n.Group
	}
	if n.Owner != "" {
		owner, err := c.Principal(ctx, n.Owner)
		if err != nil {
			return "", err
		}
		body.Properties.Additional.Owner = owner.ID
	}
	if n.Alias == "" {
		n.Alias = c.NewID()
	}
	var made struct {
		Properties struct {
			ID string `json:"subscriptionId"`
		} `json:"properties"`
	}
	path := "/providers/Microsoft.Subscription/aliases/" + n.Alias + "?api-version=" + subscriptionVersion
	err := c.call(ctx, http.MethodPut, path, body, &made)
	return made.Properties.ID, err
}

// Subscriptions lists the subscriptions that the administrator sees.
func (c *Client) Subscriptions(ctx context.Context) (all []Subscription, _ error) {
	for path := "/subscriptions?api-version=" + coreVersion; path != ""; {
		var page struct {
			Value    []Subscription `json:"value"`
			NextLink string         `json:"nextLink"`
		}
		if err := c.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		next, ours := strings.CutPrefix(page.NextLink, c.Endpoint)
		if page.NextLink != "" && !ours {
			return nil, fmt.Errorf("the next page is at another server: %s", page.NextLink)
		}
		path = next
	}
	return all, nil
}

// RenameSubscription changes the display name of a subscription.
func (c *Client) RenameSubscription(ctx context.Context, id, name string) error {
	return c.changeSubscription(ctx, id, "rename", map[string]string{"subscriptionName": name})
}

// CancelSubscription makes a subscription read-only.
func (c *Client) CancelSubscription(ctx context.Context, id string) error {
	return c.changeSubscription(ctx, id, "cancel", nil)
}

// EnableSubscription ends the effect of CancelSubscription.
func (c *Client) EnableSubscription(ctx context.Context, id string) error {
	return c.changeSubscription(ctx, id, "enable", nil)
}

func (c *Client) changeSubscription(ctx context.Context, id, verb string, body any) error {
	if !arm.IsGUID(id) {
		return fmt.Errorf("%q is not the id of a subscription", id)
	}
	return c.call(ctx, http.MethodPost, "/subscriptions/"+id+"/providers/Microsoft.Subscription/"+verb+"?api-version="+subscriptionVersion, body, nil)
}
