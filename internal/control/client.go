package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// ErrNotRunning means that no server listens on the socket.
var ErrNotRunning = errors.New("no server is running")

// Client sends commands to a running server.
type Client struct {
	http *http.Client
}

var _ Commands = (*Client)(nil)

// Dial makes a Client for the socket. It returns ErrNotRunning if no server listens on it.
func Dial(ctx context.Context, path string) (*Client, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	conn, err := dial(ctx)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("reach the running server: %w", err)
	}
	if err := conn.Close(); err != nil {
		return nil, fmt.Errorf("reach the running server: %w", err)
	}
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableKeepAlives: true,
	}
	return &Client{http: &http.Client{Transport: transport}}, nil
}

// Address implements Commands.
func (c *Client) Address(ctx context.Context) (string, error) {
	resp, err := c.do(ctx, http.MethodGet, "/address")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer addressAnswer
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("read the running server's answer: %w", err)
	}
	return answer.Address, nil
}

// Ready returns nil if the server accepts requests, and otherwise why it does not, in the words of /readyz.
func (c *Client) Ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://midas/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask the running server: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the running server: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	why, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("read the running server's answer: %w", err)
	}
	return fmt.Errorf("the server is not ready: %s", strings.TrimSpace(string(why)))
}

// Dump copies the server's dump to w. It may return an error after it has written a part.
func (c *Client) Dump(ctx context.Context, w io.Writer) error { return c.copy(ctx, "/dump", w) }

// Backup copies the server's backup to w. It may return an error after it has written a part.
func (c *Client) Backup(ctx context.Context, w io.Writer) error { return c.copy(ctx, "/backup", w) }

// Check copies the server's findings to w. It may return an error after it has written a part.
func (c *Client) Check(ctx context.Context, w io.Writer) error { return c.copy(ctx, "/check", w) }

// LintRoles copies the server's findings to w. It may return an error after it has written a part.
func (c *Client) LintRoles(ctx context.Context, w io.Writer) error {
	return c.copy(ctx, "/lint/roles", w)
}

// ExportKeys copies the server's public keys to w. It may return an error after it has written a part.
func (c *Client) ExportKeys(ctx context.Context, w io.Writer) error { return c.copy(ctx, "/keys", w) }

func (c *Client) copy(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the running server's answer: %w", err)
	}
	return nil
}

// ImportRoles implements Commands.
func (c *Client) ImportRoles(ctx context.Context, file io.Reader) ([]byte, error) {
	resp, err := c.send(ctx, http.MethodPost, "/roles/import", file)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	report, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the running server's answer: %w", err)
	}
	return report, nil
}

// RotateKeys implements Commands.
func (c *Client) RotateKeys(ctx context.Context) (string, error) {
	resp, err := c.do(ctx, http.MethodPost, "/keys/rotate")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer keyAnswer
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("read the running server's answer: %w", err)
	}
	return answer.KeyID, nil
}

// WithdrawKey implements Commands.
func (c *Client) WithdrawKey(ctx context.Context, kid string) error {
	resp, err := c.do(ctx, http.MethodPost, "/keys/withdraw?kid="+url.QueryEscape(kid))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// ResealKeys implements Commands.
func (c *Client) ResealKeys(ctx context.Context, o Reseal) (done Resealed, err error) {
	query := url.Values{"to": {o.To}, "storeKey": {strconv.FormatBool(o.StoreKey)}}
	resp, err := c.do(ctx, http.MethodPost, "/keys/reseal?"+query.Encode())
	if err != nil {
		return done, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&done); err != nil {
		return done, fmt.Errorf("read the server's answer: %w", err)
	}
	return done, nil
}

func (c *Client) do(ctx context.Context, method, path string) (*http.Response, error) {
	return c.send(ctx, method, path, nil)
}

func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://midas"+path, body)
	if err != nil {
		return nil, fmt.Errorf("ask the running server: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the running server: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound && method == http.MethodPost {
		return nil, ErrNoKey
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return nil, fmt.Errorf("ask the running server: %w", err)
	}
	if resp.StatusCode == http.StatusConflict {
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	if resp.StatusCode == http.StatusBadRequest {
		return nil, fmt.Errorf("%w: %s", ErrFile, strings.TrimPrefix(strings.TrimSpace(string(text)), ErrFile.Error()+": "))
	}
	return nil, fmt.Errorf("the running server answered %s: %s", resp.Status, strings.TrimSpace(string(text)))
}
