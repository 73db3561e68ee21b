package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Lab sends a request to the laboratory of a server with --lab, with body as JSON unless it is nil, and returns the answer;
// nil if it has no body. path is below /lab/v1. It uses the administrator's secret and not a token, so it works whatever
// the clock and the faults are.
func (c *Client) Lab(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Endpoint+"/lab/v1"+path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.SetBasicAuth(c.ClientID, string(c.ClientSecret))
	got, err := c.do(req)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask the server: %w", err)
	case got.code == http.StatusNoContent:
		return nil, nil
	case got.code >= http.StatusMultipleChoices:
		err := got.refusal()
		var visible struct{ Error struct{ Code string } }
		_ = got.decode(&visible) // refusal has the text of an answer of another form
		if code := visible.Error.Code; got.code == http.StatusNotFound && code != "NotFound" && code != "FaultNotFound" || code == "AuthenticationFailed" {
			err = errors.Join(errors.New("the server has no laboratory: start it with --lab"), err)
		}
		return nil, err
	}
	return got.body, nil
}
