package oracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Example is a request with its responses that a file has for one of its operations.
type Example struct {
	Operation
	File      string                     // path below the folder of the specs
	Responses map[string]ExampleResponse // by status

	values     map[string]any
	parameters []parameter
}

// ExampleResponse is an example's response with one status. Body is nil if there is none.
type ExampleResponse struct {
	Body any `json:"body"`
}

// Examples lists the examples of a provider in all versions that have files, sorted by file.
func (o *Oracle) Examples(namespace string) ([]Example, error) {
	var all []Example
	for _, p := range providers() {
		if p.namespace != namespace {
			continue
		}
		versions, err := o.versions(p)
		if err != nil {
			return nil, err
		}
		for _, version := range versions {
			operations, err := o.load(p, version)
			if err != nil {
				return nil, err
			}
			for _, op := range operations {
				some, err := o.examplesOf(op)
				if err != nil {
					return nil, err
				}
				all = append(all, some...)
			}
		}
	}
	slices.SortFunc(all, func(a, b Example) int { return strings.Compare(a.File, b.File) })
	return all, nil
}

func (o *Oracle) versions(p provider) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(o.dir, p.files))
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", p.namespace, err)
	}
	versions := map[string]bool{}
	for _, file := range files {
		versions[p.versionOf(file)] = true
	}
	return slices.Sorted(maps.Keys(versions)), nil
}

// examplesOf reads the examples of an operation. It omits examples whose files are missing.
func (o *Oracle) examplesOf(op *operation) ([]Example, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []Example
	for _, file := range op.examples {
		if present, _ := filepath.Glob(filepath.Join(o.dir, file)); present == nil {
			continue
		}
		raw, err := o.file(file)
		if err != nil {
			return nil, fmt.Errorf("read the example %s: %w", file, err)
		}
		var in struct {
			Parameters map[string]any             `json:"parameters"`
			Responses  map[string]ExampleResponse `json:"responses"`
		}
		if err := remarshal(raw, &in); err != nil {
			return nil, fmt.Errorf("decode the example %s: %w", file, err)
		}
		all = append(all, Example{
			Operation: op.Operation, File: file, Responses: in.Responses, values: in.Parameters, parameters: op.parameters,
		})
	}
	return all, nil
}

// Value returns the example's value of a parameter, as text.
func (e Example) Value(name string) string { return text(e.values[name]) }

// Request builds the target and the body of the example's request. The values in set replace the example's
// values. The api-version is always that of the file.
func (e Example) Request(set map[string]string) (target string, body []byte, err error) {
	target, query := e.Path, url.Values{"api-version": {e.Version}}
	for _, p := range e.parameters {
		value, given := set[p.Name]
		if example, exists := e.values[p.Name]; !given && exists {
			value, given = text(example), true
		}
		switch {
		case p.In == "path":
			target = strings.ReplaceAll(target, "{"+p.Name+"}", strings.Trim(value, "/"))
		case p.In == "query" && given && p.Name != "api-version":
			query.Set(p.Name, value)
		case p.In == "body":
			if body, err = json.Marshal(e.values[p.Name]); err != nil {
				return "", nil, fmt.Errorf("encode the body of %s: %w", e.File, err)
			}
		}
	}
	return path.Clean(target) + "?" + query.Encode(), body, nil
}

func text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case nil:
		return ""
	}
	return fmt.Sprint(value)
}
