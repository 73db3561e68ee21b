package control

import (
	"context"
	"net/http"
	"net/url"

	"midas/internal/api/httpx"
)

// setOrigin sends errors with their full text and status 409, because they say what the operator can do.
func setOrigin(c Commands, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	err := c.SetOrigin(r.Context(), r.URL.Query().Get("url"))
	if err != nil {
		ev.Err = err
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	ev.Err = httpx.WriteJSON(w, http.StatusOK, struct{}{})
}

// SetOrigin implements Commands.
func (c *Client) SetOrigin(ctx context.Context, origin string) error {
	resp, err := c.do(ctx, http.MethodPost, "/origin?url="+url.QueryEscape(origin))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
