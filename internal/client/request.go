package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// The resources for which the client requests tokens.
const (
	graphResource = "https://graph.microsoft.com"
	armResource   = "https://management.azure.com"
)

// maxAnswer bounds the size of an answer, in bytes.
const maxAnswer = 8 << 20

// ErrNotFound says that a user, group, application, role or resource does not exist.
var ErrNotFound = errors.New("not found")

// ErrAmbiguous says that several objects have the same display name.
var ErrAmbiguous = errors.New("several objects have this name; use the id")

// answer is an HTTP answer of the server.
type answer struct {
	code   int
	status string // 404 Not Found
	body   []byte
}

func (a answer) decode(out any) error { return json.Unmarshal(a.body, out) }

// do sends a request and reads its answer.
func (c *Client) do(req *http.Request) (answer, error) {
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return answer{}, c.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("read the server's answer: %w", err)
	}
	return answer{resp.StatusCode, resp.Status, body}, nil
}

// explain adds to the error of a request what to do about a certificate that was refused.
func (c *Client) explain(err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w; %s does not certify the server at %s: name the data folder of that server with --data, or, if it is behind a reverse proxy, the authority of the proxy with tls.ca in its configuration", err, c.CAFile, c.Endpoint)
	case errors.As(err, &name):
		return fmt.Errorf("%w; add the name to \"names\" in the configuration of the server", err)
	}
	return err
}

// call sends a request to Graph (paths under /v1.0/) or to ARM (all other paths), with in as its JSON body
// unless that is nil, and decodes the answer into out unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	resource := armResource
	if strings.HasPrefix(path, graphPath) {
		resource = graphResource
	}
	token, err := c.Token(ctx, resource)
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
	req.Header.Set("Authorization", "Bearer "+token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	got, err := c.do(req)
	switch {
	case err != nil:
		return fmt.Errorf("ask the server: %w", err)
	case got.code >= http.StatusMultipleChoices:
		return got.refusal()
	case out == nil:
		return nil
	}
	if err := got.decode(out); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// refusal returns the error in an answer, with the server's code and message.
func (a answer) refusal() error {
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := a.decode(&body); err != nil || body.Error.Code == "" {
		return fmt.Errorf("the server answered %s", a.status)
	}
	err := fmt.Errorf("%s: %s", body.Error.Code, body.Error.Message)
	if a.code == http.StatusNotFound {
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

// one finds the only object of a Graph list that has a property with this value. The error is ErrNotFound
// or ErrAmbiguous if there are none or several.
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

// literal quotes a string for $filter.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
