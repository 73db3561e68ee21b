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
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/atomicfile"
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
	audience, identity, named := strings.Cut(text[:at], ",")
	f := TokenFile{Audience: audience, Path: text[at+1:]}
	_, err := arm.ParseID(identity)
	switch {
	case audience == "":
		return TokenFile{}, fmt.Errorf("%q has no audience", text)
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

// tokenFiles are the files of a server, and the group that may read them; -1 if only the owner may.
type tokenFiles struct {
	files []TokenFile
	group int
}

// newTokenFiles checks the files and looks up the group, a name or a number.
func newTokenFiles(files []TokenFile, group string) (tokenFiles, error) {
	t := tokenFiles{files: make([]TokenFile, 0, len(files)), group: -1}
	paths := map[string]bool{}
	for _, f := range files {
		path, err := filepath.Abs(f.Path)
		if err != nil {
			return t, fmt.Errorf("token file: %w", err)
		}
		if f.Path = path; paths[path] {
			return t, fmt.Errorf("token file %s: there are two tokens for it", path)
		}
		paths[path] = true
		if folder, err := os.Stat(filepath.Dir(path)); err != nil || !folder.IsDir() {
			return t, fmt.Errorf("token file %s: there is no folder %s", path, filepath.Dir(path))
		}
		if there, err := os.Lstat(path); err == nil && !there.Mode().IsRegular() {
			return t, fmt.Errorf("token file %s: there is something else under this name", path)
		}
		// A mistyped path must not cost another program its file.
		if there, err := os.ReadFile(path); err == nil && len(there) > 0 && expiry(there).IsZero() {
			return t, fmt.Errorf("token file %s: the file exists and contains something other than a token; remove it, or choose another name", path)
		}
		t.files = append(t.files, f)
	}
	if group == "" {
		return t, nil
	}
	if found, err := user.LookupGroup(group); err == nil {
		group = found.Gid
	}
	id, err := strconv.Atoi(group)
	if err != nil || id < 0 {
		return t, fmt.Errorf("token files: there is no group %q", group)
	}
	t.group = id
	return t, nil
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
// removed: the identity was taken from the host, disabled or deleted. While the server cannot be reached, the
// file stays until its token has expired.
func (t tokenFiles) refresh(ctx context.Context, a *Agent, f TokenFile) error {
	there, readErr := os.ReadFile(f.Path)
	got, err := a.Token(ctx, f.Identity, f.Audience)
	switch {
	case err == nil && readErr == nil && bytes.Equal(there, []byte(got.Raw)):
		return nil
	case err == nil:
		return t.write(f.Path, []byte(got.Raw))
	case ctx.Err() != nil:
		return err
	case errors.Is(err, host.ErrAway) && readErr == nil && a.Now().Before(expiry(there)):
		return err
	}
	if gone := os.Remove(f.Path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("remove a token file: %w", gone))
	}
	return err
}

func (t tokenFiles) write(path string, token []byte) error {
	if t.group >= 0 {
		return atomicfile.WriteForGroup(path, token, t.group)
	}
	return atomicfile.Write(path, token, 0o600)
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
