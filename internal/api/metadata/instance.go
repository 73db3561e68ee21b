package metadata

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/arm"
)

// imdsInstance answers with the description of the machine, or with the element that the rest of the path
// selects. With format=text, an object is a list of its names and a value is the value itself. With JSON, a
// single value is refused, as Azure does.
func imdsInstance(req *request, q query) error {
	format := arm.Fold(q.get("format"))
	if format != "" && format != "json" && format != "text" {
		return badRequest("The format must be json or text")
	}
	instance, err := req.Source.Instance(req.r.Context())
	if err != nil {
		return err
	}
	var local []Interface
	if req.Interfaces != nil {
		local = req.Interfaces()
	}
	var at any = map[string]any{
		"compute": compute(instance, q.get("api-version")),
		"network": network(instance, local),
	}
	for step := range strings.SplitSeq(strings.Trim(strings.TrimPrefix(req.r.URL.Path, pathInstance), "/"), "/") {
		if step == "" {
			continue
		}
		if at = element(at, step); at == nil {
			return errNotFound()
		}
	}
	if format == "text" {
		return req.plain(listing(at))
	}
	if _, leaf := at.(string); leaf {
		return badRequest("A single value has no JSON form; ask for format=text")
	}
	return httpx.WriteJSON(req.w, http.StatusOK, at)
}

// element returns the member of an object or of an array with the given name or index, or nil.
func element(of any, name string) any {
	switch v := of.(type) {
	case map[string]any:
		return v[name]
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// listing returns an element as text: a value, or a line for each member, with a slash at the end of objects and
// arrays.
func listing(of any) string {
	var lines []string
	entry := func(name string, value any) {
		if _, leaf := value.(string); !leaf {
			name += "/"
		}
		lines = append(lines, name)
	}
	switch v := of.(type) {
	case string:
		return v
	case map[string]any:
		for name, value := range v {
			entry(name, value)
		}
		slices.Sort(lines)
	case []any:
		for i, value := range v {
			entry(strconv.Itoa(i), value)
		}
	}
	return strings.Join(lines, "\n")
}

func (req *request) plain(text string) error {
	req.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	httpx.WriteBody(req.w, http.StatusOK, []byte(text))
	return nil
}
