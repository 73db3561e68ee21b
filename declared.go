package midas

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"midas/internal/state"
	"midas/internal/store"
	"midas/internal/token"
)

// stateSecretsFile is the file in the data folder with the secrets that were made for declared state.
const stateSecretsFile = "state-secrets.json"

// applyState brings the server to the state that the configuration declares, by requests of the administrator to its
// own handler: they are checked, authorized and logged as all others.
func (s *Server) applyState(ctx context.Context) error {
	if len(s.cfg.State) == 0 && s.cfg.StateText == "" {
		return nil
	}
	var files []state.File
	for _, name := range s.cfg.State {
		read, err := state.ReadFiles(name, os.Stdin)
		if err != nil {
			return err
		}
		files = append(files, read...)
	}
	if s.cfg.StateText != "" {
		files = append(files, state.File{Name: "state", Text: []byte(s.cfg.StateText)})
	}
	secrets, err := state.OpenSecrets(s.services.dir.Path(stateSecretsFile))
	if err != nil {
		return err
	}
	server, end, err := s.inProcess(ctx)
	if err != nil {
		return err
	}
	defer end()
	declared, err := state.Load(files, server.Defaults())
	if err != nil {
		return err
	}
	plan, err := server.Plan(ctx, declared, state.Options{Secrets: secrets})
	if err != nil {
		return err
	}
	result, err := plan.Apply(ctx, nil)
	s.log.InfoContext(ctx, "declared state", "objects", declared.Len(), "created", result.Created, "changed", result.Changed)
	return err
}

// ownTokens is how long the tokens of requests to the own handler are valid. They end with the work that needs them.
const ownTokens = time.Hour

// inProcess is the server as its own client, with tokens that end when end is called.
func (s *Server) inProcess(ctx context.Context) (_ *state.Server, end func(), err error) {
	admin := s.services.admin
	var subject string
	err = s.services.store.View(ctx, func(tx store.Tx) error {
		principal, err := s.services.directory.ServicePrincipalByAppID(tx, admin.TenantID, admin.ClientID)
		subject = principal.ID
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("find the administrator: %w", err)
	}
	var ends []func()
	tokens := map[string]string{}
	now := s.services.now()
	for _, audience := range []string{"https://management.azure.com", "https://graph.microsoft.com"} {
		raw, end := s.services.verifier.Admit(token.Claims{
			Audience: audience, Issuer: s.services.minter.Issuer.IssuerV1(admin.TenantID), Subject: subject, ObjectID: subject, TenantID: admin.TenantID,
			AppID: admin.ClientID, AppIDACR: "1", IdentityType: "app", Version: token.V1, Issued: now, IssuedAt: now, NotBefore: now, Expires: now.Add(ownTokens),
		})
		tokens[audience], ends = raw, append(ends, end)
	}
	server := &state.Server{
		Endpoint: admin.Endpoint, HTTP: &http.Client{Transport: ownHandler{s.main}}, TenantID: admin.TenantID,
		SubscriptionID: admin.SubscriptionID, ClientID: admin.ClientID, UserName: admin.UserName, Lab: s.cfg.Lab,
		Token: func(_ context.Context, resource string) (string, error) { return tokens[resource], nil },
	}
	return server, func() {
		for _, end := range ends {
			end()
		}
	}, nil
}

// ownHandler sends requests to a handler of this process.
type ownHandler struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t ownHandler) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr, in.Host = r.URL.RequestURI(), "127.0.0.1:0", r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	out := &recorder{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(out, in)
	return &http.Response{
		StatusCode: out.status, Status: fmt.Sprint(out.status, " ", http.StatusText(out.status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: out.header, Body: io.NopCloser(&out.body), ContentLength: int64(out.body.Len()), Request: r,
	}, nil
}

// recorder keeps an answer in memory.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	return r.body.Write(p)
}

// Secrets returns the secrets and passwords that were made for the declared state.
func (s *Server) Secrets() (*state.Secrets, error) {
	return state.OpenSecrets(s.services.dir.Path(stateSecretsFile))
}
