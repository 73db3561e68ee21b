package httpx

import (
	"net/http"
	"net/url"

	"midas/internal/arm"
)

// SkipEmptySegments returns the request with a path that has no empty segments, as arm.SkipEmptySegments defines
// it, and sets the path of the event to it. An API that calls it before it reads the path then authorizes, logs
// and names in its links the same path for all spellings. A request without empty segments is returned as it is.
func SkipEmptySegments(r *http.Request, ev *Event) (*http.Request, error) {
	path, err := arm.SkipEmptySegments(ev.Path)
	if err != nil || len(path) == len(ev.Path) {
		return r, err
	}
	u := *r.URL
	if u.Path, err = url.PathUnescape(path); err != nil {
		return r, err // net/http has unescaped the path before
	}
	u.RawPath, ev.Path = path, path
	skipped := *r
	skipped.URL = &u
	return &skipped, nil
}
