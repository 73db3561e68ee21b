// Package control is the API between the command line and a running server: HTTP over a Unix socket in the
// server's data folder. Only the owner of the folder may open the socket. There is no other authentication,
// because the owner can read the store's files anyway.
//
//	GET  /address                returns the address of the main listener, {"address": "HOST:PORT"}
//	GET  /dump                   returns the whole store as JSON lines
//	GET  /backup                 returns a backup of the store (package backup)
//	GET  /check                  returns what is inconsistent in the store, as JSON lines
//	GET  /lint/roles             returns what may be wrong with roles and role assignments, as JSON lines
//	GET  /keys                   returns the public keys that verify tokens, as a JSON Web Key Set
//	GET  /cluster                returns the members of the embedded cluster, as JSON
//	POST /cluster/token?life=1h  makes a token with which a machine can join, and returns {"token": "..."}
//	POST /cluster/remove?member=NAME  removes a member
//	POST /roles/import           stores the built-in roles of the file in the body; returns what has changed, or 400
//	POST /keys/rotate            makes a new signing key and returns {"kid": "..."}
//	POST /keys/withdraw?kid=KID  removes a signing key, so that all tokens that it has signed are refused;
//	                             returns {"kid": "..."}, or 404 if there is no such key
//	POST /origin?url=URL         changes the origin of all servers that share the store
//	POST /keys/reseal?to=FILE&storeKey=true
//	                             changes the master key and returns {"file": "...", "storeKey": true}
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"midas/internal/api/httpx"
)

const api = "control"

// ErrPathTooLong means that the path is longer than the operating system allows for a socket.
var ErrPathTooLong = errors.New("the path is too long for a socket")

// ErrNoKey means that there is no signing key with the given id.
var ErrNoKey = errors.New("there is no such signing key")

// ErrFile means that a file in a command is invalid.
var ErrFile = errors.New("the file is invalid")

// Commands are the commands that a server carries out for the command line.
type Commands interface {
	// Address returns the HOST:PORT under which clients on this machine reach the server.
	Address(ctx context.Context) (string, error)

	// Dump writes all records of one revision of the store as JSON lines, in key order.
	Dump(ctx context.Context, w io.Writer) error

	// Backup writes a backup of one revision of the store.
	Backup(ctx context.Context, w io.Writer) error

	// Check writes what is inconsistent in one revision of the store as JSON lines.
	Check(ctx context.Context, w io.Writer) error

	// LintRoles writes what may be wrong with roles and role assignments as JSON lines.
	LintRoles(ctx context.Context, w io.Writer) error

	// ImportRoles stores the built-in roles of a file and returns a report as JSON. It returns an
	// ErrFile if the file is invalid.
	ImportRoles(ctx context.Context, file io.Reader) (report []byte, err error)

	// ExportKeys writes the public keys that verify tokens as a JSON Web Key Set, in one line.
	ExportKeys(ctx context.Context, w io.Writer) error

	// RotateKeys makes a new signing key and returns its id.
	RotateKeys(ctx context.Context) (string, error)

	// WithdrawKey removes a signing key, so that all tokens that it has signed are refused from now
	// on. It returns ErrNoKey if there is no such key.
	WithdrawKey(ctx context.Context, kid string) error

	// SetOrigin changes the origin of all servers that share the store.
	SetOrigin(ctx context.Context, origin string) error

	// ResealKeys changes the master key.
	ResealKeys(ctx context.Context, o Reseal) (Resealed, error)
}

// Reseal are the options of ResealKeys.
type Reseal struct {
	To       string // a file for the new master key; empty: that of the old one
	StoreKey bool   // the store key is replaced too
}

// Resealed says what ResealKeys has done.
type Resealed struct {
	File     string `json:"file"`     // contains the new master key
	StoreKey bool   `json:"storeKey"` // the store key was replaced too
}

// Listen makes the socket. It removes a socket that an earlier process has left, so the caller must hold the
// data folder's lock.
func Listen(path string) (net.Listener, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old control socket: %w", err)
	}
	conf := net.ListenConfig{Control: private}
	l, err := conf.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("make control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("make control socket private: %w", err), l.Close())
	}
	return l, nil
}

// checkPath returns ErrPathTooLong for a path that is too long, for which the operating system says only
// "invalid argument".
func checkPath(path string) error {
	limit := len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(path) > limit {
		return fmt.Errorf("control socket %s: %w of this operating system: %d bytes, and at most %d are possible; use a data folder with a shorter path",
			path, ErrPathTooLong, len(path), limit)
	}
	return nil
}

// Handler serves the commands.
func Handler(c Commands) httpx.Handler {
	return httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		ev.API = api
		switch r.Method + " " + r.URL.Path {
		case "GET /address":
			ev.Operation = "address"
			address(c, w, r, ev)
		case "GET /dump":
			ev.Operation = "dump"
			lines(c.Dump, w, r, ev)
		case "GET /backup":
			ev.Operation = "backup"
			stream("application/octet-stream", c.Backup, w, r, ev)
		case "GET /check":
			ev.Operation = "check"
			lines(c.Check, w, r, ev)
		case "GET /lint/roles":
			ev.Operation = "lint/roles"
			lines(c.LintRoles, w, r, ev)
		case "GET /keys":
			ev.Operation = "keys"
			lines(c.ExportKeys, w, r, ev)
		case "POST /roles/import":
			ev.Operation = "roles/import"
			importRoles(c, w, r, ev)
		case "POST /keys/rotate":
			ev.Operation = "keys/rotate"
			rotate(c, w, r, ev)
		case "POST /keys/withdraw":
			ev.Operation = "keys/withdraw"
			withdraw(c, w, r, ev)
		case "POST /keys/reseal":
			ev.Operation = "keys/reseal"
			reseal(c, w, r, ev)
		case "POST /origin":
			ev.Operation = "origin"
			setOrigin(c, w, r, ev)
		case "GET /cluster", "POST /cluster/token", "POST /cluster/remove":
			ev.Operation = strings.TrimPrefix(r.URL.Path, "/")
			serveCluster(c, w, r, ev)
		default:
			http.NotFound(w, r)
		}
	})
}

func address(c Commands, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	at, err := c.Address(r.Context())
	if err == nil {
		err = httpx.WriteJSON(w, http.StatusOK, addressAnswer{at})
	}
	if err != nil {
		fail(w, ev, err)
	}
}

// lines sends what a command writes, as JSON lines.
func lines(write func(context.Context, io.Writer) error, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	stream("application/jsonl; charset=utf-8", write, w, r, ev)
}

// stream sends what a command writes.
func stream(contentType string, write func(context.Context, io.Writer) error, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	// A large store takes longer than the server's write timeout.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
		fail(w, ev, err)
		return
	}
	w.Header().Set("Content-Type", contentType)
	out := &tracker{w: w}
	if err := write(r.Context(), out); err != nil {
		if !out.begun {
			fail(w, ev, err)
			return
		}
		ev.Err = err
		panic(http.ErrAbortHandler) // so that the client notices that the answer is incomplete
	}
}

func importRoles(c Commands, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	report, err := c.ImportRoles(r.Context(), r.Body)
	if err == nil {
		err = httpx.WriteJSON(w, http.StatusOK, json.RawMessage(report))
	}
	if err != nil {
		fail(w, ev, err)
	}
}

func rotate(c Commands, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	kid, err := c.RotateKeys(r.Context())
	if err == nil {
		err = httpx.WriteJSON(w, http.StatusOK, keyAnswer{kid})
	}
	if err != nil {
		fail(w, ev, err)
	}
}

func withdraw(c Commands, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	kid := r.URL.Query().Get("kid")
	err := c.WithdrawKey(r.Context(), kid)
	if err == nil {
		err = httpx.WriteJSON(w, http.StatusOK, keyAnswer{kid})
	}
	if err != nil {
		fail(w, ev, err)
	}
}

func reseal(c Commands, w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	// A large store takes longer than the server's write timeout.
	err := http.NewResponseController(w).SetWriteDeadline(time.Time{})
	var done Resealed
	if err == nil {
		query := r.URL.Query()
		done, err = c.ResealKeys(r.Context(), Reseal{To: query.Get("to"), StoreKey: query.Get("storeKey") == "true"})
	}
	if err == nil {
		err = httpx.WriteJSON(w, http.StatusOK, done)
	}
	if err != nil {
		fail(w, ev, err)
	}
}

// fail sends the error's full text, because the client is the owner of the server.
func fail(w http.ResponseWriter, ev *httpx.Event, err error) {
	ev.Err = err
	status := http.StatusInternalServerError
	if errors.Is(err, ErrNoKey) {
		status = http.StatusNotFound
	}
	if errors.Is(err, ErrFile) {
		status = http.StatusBadRequest
	}
	http.Error(w, err.Error(), status)
}

// tracker notes whether anything has been written.
type tracker struct {
	w     io.Writer
	begun bool
}

func (t *tracker) Write(p []byte) (int, error) {
	t.begun = true
	return t.w.Write(p)
}

type addressAnswer struct {
	Address string `json:"address"`
}

type keyAnswer struct {
	KeyID string `json:"kid"`
}
