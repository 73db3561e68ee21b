package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"midas/internal/arm"
	"midas/internal/host"
)

// hostsVersion is the api-version of Midas.Hosts.
const hostsVersion = "2026-11-01"

// EnrollmentToken creates a token with which one machine can be enrolled as a host of a resource. The
// error is ErrNotFound if the resource does not exist.
func (c *Client) EnrollmentToken(ctx context.Context, resource string) (host.Secret, error) {
	id, err := arm.ParseID(resource)
	if err != nil || !id.IsResource() {
		return "", fmt.Errorf("%q is not a resource id such as /subscriptions/ID/resourceGroups/NAME/providers/NAMESPACE/TYPE/NAME", resource)
	}
	path := url.URL{Path: id.String() + "/providers/Midas.Hosts/hosts/default/enroll"}
	var answer struct {
		Token host.Secret `json:"token"`
	}
	if err := c.call(ctx, http.MethodPost, path.EscapedPath()+"?api-version="+hostsVersion, nil, &answer); err != nil {
		return "", fmt.Errorf("get an enrollment token: %w", err)
	}
	return answer.Token, nil
}
