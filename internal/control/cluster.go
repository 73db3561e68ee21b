package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"midas/internal/api/httpx"
)

// Cluster are the commands of a server with an embedded cluster.
type Cluster interface {
	// ClusterStatus returns the members as JSON.
	ClusterStatus(ctx context.Context) ([]byte, error)

	// ClusterToken makes a token with which one machine can join within a lifetime.
	ClusterToken(ctx context.Context, life time.Duration) (string, error)

	// RemoveMember removes a member by its name or id.
	RemoveMember(ctx context.Context, name string) error
}

// ErrNoCluster means that the server has no embedded cluster.
var ErrNoCluster = errors.New("the server has no embedded cluster: it was started without --cluster-init and --join")

type tokenAnswer struct {
	Token string `json:"token"`
}

// serveCluster sends errors with their full text and status 409, because they say what the operator can do.
func serveCluster(c Commands, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	answer, err := runCluster(c, r)
	if err == nil {
		err = httpx.WriteJSON(w, http.StatusOK, answer)
	}
	if err != nil {
		ev.Err = err
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

func runCluster(c Commands, r *http.Request) (answer any, err error) {
	cluster, ok := c.(Cluster)
	if !ok {
		return nil, ErrNoCluster
	}
	switch r.URL.Path {
	case "/cluster":
		status, err := cluster.ClusterStatus(r.Context())
		return json.RawMessage(status), err
	case "/cluster/token":
		life, err := time.ParseDuration(r.URL.Query().Get("life"))
		if err != nil {
			return nil, fmt.Errorf("the lifetime of the token: %w", err)
		}
		token, err := cluster.ClusterToken(r.Context(), life)
		return tokenAnswer{token}, err
	default:
		return struct{}{}, cluster.RemoveMember(r.Context(), r.URL.Query().Get("member"))
	}
}

var _ Cluster = (*Client)(nil)

// ClusterStatus implements Cluster.
func (c *Client) ClusterStatus(ctx context.Context) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, "/cluster")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the running server's answer: %w", err)
	}
	return text, nil
}

// ClusterToken implements Cluster.
func (c *Client) ClusterToken(ctx context.Context, life time.Duration) (string, error) {
	resp, err := c.do(ctx, http.MethodPost, "/cluster/token?life="+url.QueryEscape(life.String()))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer tokenAnswer
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("read the running server's answer: %w", err)
	}
	return answer.Token, nil
}

// RemoveMember implements Cluster.
func (c *Client) RemoveMember(ctx context.Context, name string) error {
	resp, err := c.do(ctx, http.MethodPost, "/cluster/remove?member="+url.QueryEscape(name))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
