package agent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"midas/internal/api/metadata"
	"midas/internal/arm"
	"midas/internal/host"
)

const (
	// keepEvery is the interval at which a token file is checked. The agent's cache answers, so that the server
	// is only asked when half of the token's lifetime is over.
	keepEvery = 15 * time.Second
	// keepLongest is the longest pause after a refusal. A change of the host's state ends every pause.
	keepLongest = time.Minute
)

// TokenFile is a file in which an agent keeps a token for programs that read one, such as the AWS SDKs
// (AWS_WEB_IDENTITY_TOKEN_FILE) and workload identity clients (AZURE_FEDERATED_TOKEN_FILE). The file contains
// the token and nothing else.
type TokenFile struct {
	Audience string
	Identity host.Selector // which of the resource's identities; the zero value is the default one
	Path     string
}

// ParseTokenFile reads AUDIENCE[,IDENTITY]=PATH, where IDENTITY is a client id or the id of an identity's resource.
func ParseTokenFile(text string) (TokenFile, error) {
	at := strings.Index(text, "=/") // an audience may have a query
	if at < 0 {
		at = strings.IndexByte(text, '=')
	}
	if at < 0 || at == len(text)-1 {
		return TokenFile{}, fmt.Errorf("%q is not AUDIENCE[,IDENTITY]=PATH", text)
	}
	// The last comma separates, because an audience may have commas.
	audience, identity, named := text[:at], "", false
	if comma := strings.LastIndexByte(audience, ','); comma >= 0 {
		audience, identity, named = audience[:comma], audience[comma+1:], true
	}
	f := TokenFile{Audience: audience, Path: text[at+1:]}
	_, err := arm.ParseID(identity)
	switch {
	case audience == "":
		return TokenFile{}, fmt.Errorf("%q has no audience", text)
	case !metadata.IsAudience(audience):
		return TokenFile{}, fmt.Errorf("%q: there are no tokens for the audience %q", text, audience)
	case !named:
	case arm.IsGUID(identity):
		f.Identity.ClientID = identity
	case err == nil:
		f.Identity.ResourceID = identity
	default:
		return TokenFile{}, fmt.Errorf("%q: %q is neither a client id nor the id of a resource", text, identity)
	}
	return f, nil
}

// keep keeps a file until ctx ends. It leaves the file, because the token stays valid and another agent may
// start soon.
func (t tokenFiles) keep(ctx context.Context, a *Agent, f TokenFile) {
	var failures complaints
	pause := trust
	for ctx.Err() == nil {
		changed := a.changed()
		err := t.refresh(ctx, a, f)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures.forget()
			pause = keepEvery
		default:
			if failures.worth(err, a.Now()) {
				a.Log.WarnContext(ctx, "there is no fresh token for a file", "file", f.Path, "audience", f.Audience, "cause", err)
			}
			pause = min(2*pause, keepLongest)
			if errors.Is(err, host.ErrAway) {
				pause = min(pause, keepEvery)
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
			pause = trust
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// refresh writes the current token unless the file contains it. If the server refuses the token, the file is
// removed: the identity was taken from the host, disabled or deleted. While the server cannot be reached, or fails,
// the file stays until its token has expired.
func (t tokenFiles) refresh(ctx context.Context, a *Agent, f TokenFile) error {
	there, readErr := readTokenFile(f.Path)
	got, err := a.Token(ctx, f.Identity, f.Audience)
	switch {
	case err == nil && readErr == nil && bytes.Equal(there, []byte(got.Raw)):
		return nil
	case err == nil:
		return t.write(f.Path, []byte(got.Raw))
	case ctx.Err() != nil:
		return err
	case !refused(err) && readErr == nil && a.Now().Before(expiry(there)):
		return err
	}
	if gone := os.Remove(f.Path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("remove a token file: %w", gone))
	}
	return err
}

// refused reports whether the server has said that there is no token. Any other error says nothing about the
// identity: the server is away, or it or a program in between has failed.
func refused(err error) bool {
	for _, reason := range []error{
		host.ErrNotAssigned, host.ErrNone, host.ErrSeveral, host.ErrAudience, host.ErrRevoked, host.ErrResourceDisabled, host.ErrNotAllowed,
	} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// expiry is the exp of a token, which is not verified; the zero time if the text is no token.
func expiry(token []byte) time.Time {
	parts := bytes.Split(token, []byte("."))
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return time.Time{}
	}
	return time.Unix(claims.Expires, 0)
}
