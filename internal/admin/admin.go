// Package admin carries out an administrator's commands at a server: users, groups, applications and
// roles. It is a client of Microsoft Graph and Azure Resource Manager like any other, with the
// administrator's own token, so nothing that it does is out of reach for other clients, and all of
// it is authorized and logged as theirs is.
package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// The resources that tokens are asked for.
const (
	graphResource = "https://graph.microsoft.com"
	armResource   = "https://management.azure.com/"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 8 << 20

// ErrNotFound says that there is no such user, group, application or role.
var ErrNotFound = errors.New("not found")

// ErrAmbiguous says that a display name is that of several objects.
var ErrAmbiguous = errors.New("the name is that of several; use the id")

// Client is the administrator of a server. All fields must be set.
type Client struct {
	Endpoint       string // the server's own origin
	SubscriptionID string
	HTTP           *http.Client
	Token          func(ctx context.Context, resource string) (string, error)
	NewID          func() string
}

// call sends a request to Graph (paths under /v1.0/) or to ARM (all other paths), and reads the
// answer into out unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	resource := armResource
	if strings.HasPrefix(path, graphPath) {
		resource = graphResource
	}
	raw, err := c.Token(ctx, resource)
	if err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Endpoint+path, body)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+raw)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return refusal(resp, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// refusal words what the server has refused, in its own words.
func refusal(resp *http.Response, answer []byte) error {
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Error.Code == "" {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	err := fmt.Errorf("%s: %s", body.Error.Code, body.Error.Message)
	if resp.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

const graphPath = "/v1.0/"

// list reads all pages of a Graph list.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var all []T
	for path != "" {
		var page struct {
			Value []T
			Next  string `json:"@odata.nextLink"`
		}
		if err := c.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Value...)
		next, ours := strings.CutPrefix(page.Next, c.Endpoint)
		if page.Next != "" && !ours {
			return nil, fmt.Errorf("the next page is at another server: %s", page.Next)
		}
		path = next
	}
	return all, nil
}

// one finds the only object of a Graph list that has a property of that value.
func one[T any](ctx context.Context, c *Client, kind, path, property, value string) (T, error) {
	var none T
	found, err := list[T](ctx, c, path, url.Values{"$filter": {property + " eq " + literal(value)}})
	switch {
	case err != nil:
		return none, err
	case len(found) == 0:
		return none, fmt.Errorf("%s %q: %w", kind, value, ErrNotFound)
	case len(found) > 1:
		return none, fmt.Errorf("%s %q: %w", kind, value, ErrAmbiguous)
	}
	return found[0], nil
}

// literal is a string in a filter.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// NewPassword makes a password that nobody can guess and no policy refuses.
func NewPassword() string {
	text := rand.Text()
	return strings.ToLower(text[:10]) + "-" + text[10:20] + "-7"
}
