package trace

import "net/http"

// Request begins a step that sends a request to a server of the same installation, and tells the server of it in the
// headers traceparent and tracestate. Requests to others must not be passed to Request, because the header lets them recognize which
// of their requests belong together. The span is named by the method and the route, which must come from code.
func Request(req *http.Request, route string) (*http.Request, *Span) {
	above := current(req.Context())
	if above == nil || above.job != "" {
		return req, nil
	}
	ctx, s := StartClient(req.Context(), req.Method+" "+route)
	if s != nil {
		req = req.WithContext(ctx)
		s.Set(String("http.request.method", req.Method), String("server.address", req.URL.Hostname()), String("url.template", route))
		above = s
	}
	req.Header.Set(Header, Parent{above.trace, above.id, above.sampled}.String())
	if above.state != "" {
		req.Header.Set(StateHeader, above.state)
	}
	return req, s
}
