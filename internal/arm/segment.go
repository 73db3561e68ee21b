package arm

import (
	"errors"
	"strings"
)

// SkipEmptySegments returns the escaped path of a request without its empty segments: //subscriptions becomes
// /subscriptions, and /providers/A.B//c becomes /providers/A.B/c. Azure answers such a path like the path without the
// empty segment; several of its SDKs send one where a part of the path is empty or begins with a slash. Two
// empty segments together are an error, as in Azure. The path that is returned has no empty segments also then.
func SkipEmptySegments(path string) (string, error) {
	if !strings.Contains(path, "//") {
		return path, nil
	}
	var err error
	if strings.Contains(path, "///") {
		err = errors.New("the path has two empty segments together")
	}
	kept := make([]byte, 0, len(path))
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			kept = append(kept, path[i])
		}
	}
	return string(kept), err
}
