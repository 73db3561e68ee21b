package midas

import (
	"net/http"

	"midas/internal/api/httpx"
	"midas/internal/api/login"
	"midas/internal/ops"
)

// front sends each request of the main listener to its face, by path.
type front struct {
	health     *ops.Health
	login      httpx.Handler
	management httpx.Handler
}

// Serve implements httpx.Handler.
func (f *front) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	f.face(r).Serve(w, r, ev)
}

// Refuse implements httpx.Refuser: the face that would have served the request words the refusal.
func (f *front) Refuse(w http.ResponseWriter, r *http.Request, ev *httpx.Event, status int) {
	if face, ok := f.face(r).(httpx.Refuser); ok {
		face.Refuse(w, r, ev, status)
		return
	}
	httpx.Refuse(w, ev, status)
}

func (f *front) face(r *http.Request) httpx.Handler {
	switch path := r.URL.Path; {
	case f.health.Serves(path):
		return f.health
	case login.Serves(path):
		return f.login
	}
	return f.management
}
