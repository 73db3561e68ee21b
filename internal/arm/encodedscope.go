package arm

import "strings"

// SplitEncodedScope returns an escaped path in which the scope is one segment with encoded slashes, such as
// /%2Fsubscriptions%2Fs/providers/…, with slashes between the segments of the scope. Azure accepts such paths, and the
// SDKs for Go send them for locks, because the OpenAPI file of locks does not forbid to encode a scope. Only the first
// segment is changed, and only if it begins with an encoded slash, as no other path does. All other paths are returned
// unchanged.
func SplitEncodedScope(path string) string {
	rest, found := strings.CutPrefix(path, "/")
	if !found || !strings.HasPrefix(rest, "%2F") && !strings.HasPrefix(rest, "%2f") {
		return path
	}
	scope, rest, more := strings.Cut(rest, "/")
	scope = strings.NewReplacer("%2F", "/", "%2f", "/").Replace(scope)
	if !more {
		return scope
	}
	return scope + "/" + rest
}
