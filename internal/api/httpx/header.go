package httpx

import "net/http"

// Headers are headers with the same values in many answers, such as Cache-Control. Setting them allocates
// nothing: all answers share the slices of values, which net/http only reads.
type Headers []fixedHeader

type fixedHeader struct {
	name  string // in canonical form
	value []string
}

// Fixed makes Headers from alternating names and values.
func Fixed(namesAndValues ...string) Headers {
	all := make(Headers, len(namesAndValues)/2)
	for i := range all {
		all[i] = fixedHeader{http.CanonicalHeaderKey(namesAndValues[2*i]), namesAndValues[2*i+1 : 2*i+2 : 2*i+2]}
	}
	return all
}

// Set sets the headers of an answer. It replaces other values of the same names.
func (all Headers) Set(h http.Header) {
	for i := range all {
		h[all[i].name] = all[i].value
	}
}
