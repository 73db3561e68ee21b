package midas

import (
	"net/http"

	"midas/internal/api/httpx"
)

func (r *rooms) login() (httpx.Handler, func(string) bool) {
	return httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) { w.WriteHeader(404) }), func(string) bool { return false }
}
