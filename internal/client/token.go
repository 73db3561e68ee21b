package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Token gets an access token for a resource, such as https://vault.azure.net, with the client credentials
// grant.
func (c *Client) Token(ctx context.Context, resource string) (string, error) {
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {c.ClientID},
		"client_secret": {string(c.ClientSecret)},
		"scope":         {resource + "/.default"},
	}
	answer, err := c.ask(ctx, form)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "", fmt.Errorf("get token: no server answers at %s; is midas serve running?", c.Endpoint)
	}
	if err != nil {
		return "", fmt.Errorf("get token: %w", err)
	}
	var body struct {
		AccessToken string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := answer.decode(&body); err != nil {
		return "", fmt.Errorf("get token: the answer, %s, is not JSON: %w", answer.status, err)
	}
	if answer.code != http.StatusOK || body.AccessToken == "" {
		return "", fmt.Errorf("get token: %s: %s", answer.status, body.Description)
	}
	return body.AccessToken, nil
}

// A replica refuses tokens with status 503 while its members elect a leader, which takes a few seconds.
const (
	tokenAttempts = 10
	tokenPause    = 500 * time.Millisecond
)

// ask sends a form to the token endpoint, and sends it again while the server is unavailable for a moment.
func (c *Client) ask(ctx context.Context, form url.Values) (answer, error) {
	endpoint := c.Endpoint + "/" + c.TenantID + "/oauth2/v2.0/token"
	for attempt := 1; ; attempt++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
		if err != nil {
			return answer{}, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		got, err := c.do(req)
		if err != nil || got.code != http.StatusServiceUnavailable || attempt == tokenAttempts {
			return got, err
		}
		select {
		case <-ctx.Done():
			return answer{}, ctx.Err()
		case <-time.After(tokenPause):
		}
	}
}
