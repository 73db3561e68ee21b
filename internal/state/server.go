package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"midas/internal/arm"
)

// The resources of the tokens for the two APIs.
const (
	managementResource = "https://management.azure.com"
	graphResource      = "https://graph.microsoft.com"
)

// Server is the server whose state is declared, and its administrator. Its fields do not change.
type Server struct {
	Endpoint       string
	HTTP           *http.Client
	Token          func(ctx context.Context, resource string) (string, error)
	TenantID       string
	SubscriptionID string
	ClientID       string // of the administrator
	UserName       string // of the administrator
	Lab            bool   // the server has the API of laboratories

	mu     sync.Mutex // held while a token is asked for, so that one request gets it for all
	tokens sync.Map   // by resource: string
}

// Defaults are what files for this server leave out.
func (s *Server) Defaults() Defaults {
	_, domain, _ := strings.Cut(s.UserName, "@")
	return Defaults{SubscriptionID: s.SubscriptionID, TenantID: s.TenantID, Domain: domain, Lab: s.Lab}
}

// refusal is an error that the server has answered.
type refusal struct {
	status  int
	code    string
	message string
	after   time.Duration // of Retry-After; negative without one
}

func (r *refusal) Error() string {
	if r.code == "" {
		return fmt.Sprintf("the server answered %d %s", r.status, http.StatusText(r.status))
	}
	return r.code + ": " + r.message
}

// Bounds of repeated requests.
const (
	maxAttempts  = 12
	maxConflicts = 5
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
	maxAnswer    = 64 << 20 // bytes
)

// call sends a request and decodes the answer into out, unless out is nil. It repeats requests that the server refuses
// for the moment, as Retry-After says, and requests without effect on repetition whose connection broke.
func (s *Server) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
	}
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, method, path, body, out)
		wait, again := retry(err, method, attempt, pause)
		if !again {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// retry returns whether and after what time a request is repeated.
func retry(err error, method string, attempt int, pause time.Duration) (time.Duration, bool) {
	var refused *refusal
	switch {
	case err == nil || attempt >= maxAttempts || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return 0, false
	case !errors.As(err, &refused):
		return pause, method != http.MethodPost && attempt < 4 && errors.As(err, new(*url.Error))
	}
	if refused.after >= 0 {
		pause = min(refused.after, longestPause)
	}
	switch refused.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return pause, true
	case http.StatusConflict:
		return pause, attempt < maxConflicts && !lasting(refused.code)
	case http.StatusBadRequest:
		return max(pause, time.Second), refused.code == "PrincipalNotFound" // until a new principal is known everywhere
	}
	return 0, false
}

// lasting reports whether a conflict does not end by itself.
func lasting(code string) bool {
	switch code {
	case "InvalidResourceLocation", "RoleAssignmentExists", "RoleDefinitionWithSameNameExists", "ScopeLocked", "ReadOnlyDisabledSubscription", "IdInUse", "IdReserved", "TooManyReservations", "InvalidResourceGroupLocation":
		return true
	}
	return strings.HasPrefix(code, "Invalid")
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// once sends a request once.
func (s *Server) once(ctx context.Context, method, path string, body []byte, out any) error {
	resource := managementResource
	if strings.HasPrefix(path, graphPath) || strings.HasPrefix(path, betaPath) {
		resource = graphResource
	}
	token, err := s.token(ctx, resource)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.Endpoint+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("read the server's answer: %w", err)
	case resp.StatusCode == http.StatusUnauthorized:
		s.tokens.Delete(resource) // the next request gets another one
		return readRefusal(resp, text)
	case resp.StatusCode >= http.StatusMultipleChoices:
		return readRefusal(resp, text)
	case resp.StatusCode == http.StatusAccepted && method == http.MethodDelete:
		return s.wait(ctx, resp.Header.Get("Location"))
	case out == nil || len(text) == 0:
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

func (s *Server) token(ctx context.Context, resource string) (string, error) {
	if known, ok := s.tokens.Load(resource); ok {
		return known.(string), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.tokens.Load(resource); ok {
		return known.(string), nil
	}
	token, err := s.Token(ctx, resource)
	if err == nil {
		s.tokens.Store(resource, token)
	}
	return token, err
}

// readRefusal returns the error in an answer.
func readRefusal(resp *http.Response, text []byte) error {
	r := &refusal{status: resp.StatusCode, after: -1}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		r.after = time.Duration(seconds) * time.Second
	}
	var body struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(text, &body) == nil {
		r.code, r.message = body.Error.Code, body.Error.Message
	}
	return r
}

// pollEvery is how often the end of a deletion is asked for.
const pollEvery = 100 * time.Millisecond

// wait waits until a long-running deletion has ended.
func (s *Server) wait(ctx context.Context, location string) error {
	path, ours := strings.CutPrefix(location, s.Endpoint)
	if !ours {
		return nil
	}
	for {
		token, err := s.token(ctx, managementResource)
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+path, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := s.HTTP.Do(req)
		if err != nil {
			return fmt.Errorf("ask whether the deletion has ended: %w", err)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			return nil
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
}

const (
	graphPath = "/v1.0/"
	betaPath  = "/beta/"
)

// pages calls each for the entries of all pages of a list, of either API.
func (s *Server) pages(ctx context.Context, path string, each func(map[string]any)) error {
	for path != "" {
		var page struct {
			Value []map[string]any `json:"value"`
			Next  string           `json:"nextLink"`
			OData string           `json:"@odata.nextLink"`
		}
		if err := s.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return err
		}
		for _, entry := range page.Value {
			each(entry)
		}
		next := page.Next + page.OData
		rest, ours := strings.CutPrefix(next, s.Endpoint)
		if next != "" && !ours {
			return fmt.Errorf("the next page of a list is at another server: %s", next)
		}
		path = rest
	}
	return nil
}

// armPath returns the path of a request to Resource Manager.
func armPath(id arm.ID, suffix, version string) string {
	path := url.URL{Path: strings.TrimSuffix(id.String(), "/") + suffix}
	return path.EscapedPath() + "?api-version=" + version
}
