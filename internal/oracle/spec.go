package oracle

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// provider describes the files of a resource provider.
type provider struct {
	namespace string
	files     string // glob; the folder of a file is named after its version
	version   string // the version of the files, if their folder is not named after it
	complete  bool   // the files have all operations of the provider
	armErrors bool   // its errors have the schema armError
}

func providers() []provider {
	return []provider{
		{namespace: "Microsoft.ManagedIdentity", files: "msi/*/ManagedIdentity.json", complete: true, armErrors: true},
		{namespace: "Microsoft.Authorization", files: "authorization/*/*/authorization-*.json", armErrors: true},
		{namespace: resourcesNamespace, files: "resources/*/*/*.json", armErrors: true},
		{namespace: "Microsoft.Insights", files: "insights/*/*/*_API.json"},
		{namespace: "Microsoft.Compute", files: "compute/virtualMachine*.json", version: "2024-07-01"},
	}
}

// versionOf returns the version of a file of the provider.
func (p provider) versionOf(file string) string {
	if p.version != "" {
		return p.version
	}
	return filepath.Base(filepath.Dir(file))
}

const resourcesNamespace = "Microsoft.Resources"

// providerOf returns the provider that serves a path: the one after the last "/providers/", or ARM itself,
// which also serves the descriptions of providers.
func providerOf(requestPath string) (provider, bool) {
	namespace := resourcesNamespace
	lower := strings.ToLower(requestPath)
	if at := strings.LastIndex(lower, "/providers/"); at >= 0 {
		rest := strings.Split(requestPath[at+len("/providers/"):], "/")
		ofProvider := len(rest) == 2 && strings.EqualFold(rest[1], "register")
		if len(rest) > 1 && !ofProvider {
			namespace = rest[0]
		}
	}
	for _, p := range providers() {
		if strings.EqualFold(p.namespace, namespace) {
			return p, true
		}
	}
	return provider{}, false
}

// operation is one method of one path in one file.
type operation struct {
	Operation
	provider   provider
	vague      bool // the path is too general, so answers are not compared with it
	pattern    *regexp.Regexp
	literals   int // number of segments that are not parameters; the match with the most is used
	parameters []parameter
	responses  map[string]response
	examples   []string // files, below the folder of the specs
}

type response struct {
	Schema json.RawMessage `json:"schema"`
	file   string
}

type reference struct {
	Ref string `json:"$ref"`
}

type parameter struct {
	reference
	Name  string `json:"name"`
	In    string `json:"in"`
	Plain bool   `json:"x-ms-skip-url-encoding"` // the value may contain slashes
}

// load reads the operations of a provider's version. There are none if it has no files.
func (o *Oracle) load(p provider, version string) ([]*operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := p.namespace + " " + version
	if all, loaded := o.operations[key]; loaded {
		return all, nil
	}
	found, err := filepath.Glob(filepath.Join(o.dir, p.files))
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", p.namespace, err)
	}
	var all []*operation
	for _, name := range found {
		if !strings.EqualFold(p.versionOf(name), version) {
			continue
		}
		file, err := filepath.Rel(o.dir, name)
		if err != nil {
			return nil, fmt.Errorf("name %s: %w", name, err)
		}
		some, err := o.read(p, filepath.ToSlash(file))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		all = append(all, some...)
	}
	o.operations[key] = all
	return all, nil
}

// read returns the operations in a file.
func (o *Oracle) read(p provider, file string) ([]*operation, error) {
	raw, err := os.ReadFile(filepath.Join(o.dir, file))
	if err != nil {
		return nil, err
	}
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
		More  map[string]map[string]json.RawMessage `json:"x-ms-paths"` // paths that differ only in their queries
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, err
	}
	for template, methods := range document.More {
		template, _, _ = strings.Cut(template, "?")
		document.Paths[template] = methods
	}
	var all []*operation
	for template, methods := range document.Paths {
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			op, err := o.decode(file, template, raw)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, template, err)
			}
			op.provider, op.Provider, op.Version = p, p.namespace, p.versionOf(file)
			op.Method = strings.ToUpper(method)
			op.vague = vague(p, template)
			all = append(all, op)
		}
	}
	return all, nil
}

// vague reports whether a path is too general, so that it would match requests that other paths describe
// better: a path of a single parameter, and ARM's paths for any resource.
func vague(p provider, template string) bool {
	single := strings.HasPrefix(template, "/{") && strings.Count(template, "/") == 1
	return single || p.namespace == resourcesNamespace && strings.Contains(template, "{parentResourcePath}")
}

func (o *Oracle) decode(file, template string, raw json.RawMessage) (*operation, error) {
	var in struct {
		ID         string               `json:"operationId"`
		Parameters []parameter          `json:"parameters"`
		Responses  map[string]response  `json:"responses"`
		Examples   map[string]reference `json:"x-ms-examples"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	op := &operation{Operation: Operation{ID: in.ID, Path: template}, responses: map[string]response{}}
	for _, example := range in.Examples {
		op.examples = append(op.examples, path.Join(path.Dir(file), example.Ref))
	}
	for status, r := range in.Responses {
		r.file = file
		op.responses[status] = r
	}
	for _, p := range in.Parameters {
		if p.Ref != "" {
			_, target, err := o.resolve(file, p.Ref)
			if err != nil {
				return nil, err
			}
			if err := remarshal(target, &p); err != nil {
				return nil, fmt.Errorf("parameter %s: %w", p.Ref, err)
			}
		}
		op.parameters = append(op.parameters, p)
	}
	op.compilePath()
	return op, nil
}

// compilePath translates the template into a regular expression. A parameter matches one segment. A parameter
// that may contain slashes, such as a scope, matches any number of segments, and none for the root.
func (op *operation) compilePath() {
	plain := map[string]bool{}
	for _, p := range op.parameters {
		if p.In == "path" && p.Plain {
			plain[p.Name] = true
		}
	}
	expression := "(?i)^"
	for segment := range strings.SplitSeq(strings.TrimPrefix(op.Path, "/"), "/") {
		name, isParameter := strings.CutPrefix(segment, "{")
		switch {
		case isParameter && plain[strings.TrimSuffix(name, "}")]:
			expression += "(?:/[^/]+)*"
		case isParameter:
			expression += "/[^/]+"
		default:
			expression += "/" + regexp.QuoteMeta(segment)
			op.literals++
		}
	}
	op.pattern = regexp.MustCompile(expression + "$")
}

// closer reports whether an operation describes a path that both match more closely than another one does: it has
// more segments that are not parameters or, with as many, a shorter template. A parameter that may contain slashes
// also matches nothing, as if it were not in the template.
func (op *operation) closer(other *operation) bool {
	if op.literals != other.literals {
		return op.literals > other.literals
	}
	return strings.Count(op.Path, "/") < strings.Count(other.Path, "/")
}

// resolve returns the file and the value that a $ref in a file names. References to files outside a
// provider's folder name the types that all providers share, which are in another folder here.
func (o *Oracle) resolve(file, ref string) (string, any, error) {
	target, pointer, _ := strings.Cut(ref, "#")
	switch _, shared, leaves := strings.Cut(target, "common-types/resource-management/"); {
	case leaves:
		file = "common-types/" + shared
	case strings.HasPrefix(target, "../../../common-types/"): // the types that the services of one provider share
		_, own, _ := strings.Cut(target, "common-types/")
		file = path.Join(path.Dir(file), "common-types", own)
	case target != "":
		file = path.Join(path.Dir(file), target)
	}
	value, err := o.file(file)
	if err != nil {
		return "", nil, err
	}
	for token := range strings.SplitSeq(strings.Trim(pointer, "/"), "/") {
		fields, isObject := value.(map[string]any)
		if value = fields[token]; !isObject || value == nil {
			return "", nil, fmt.Errorf("%s has no %s", file, pointer)
		}
	}
	return file, value, nil
}

// file returns the decoded content of a file. The caller must hold the lock.
func (o *Oracle) file(name string) (any, error) {
	if value, read := o.files[name]; read {
		return value, nil
	}
	raw, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		return nil, err
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	o.files[name] = value
	return value, nil
}

func remarshal(from, into any) error {
	raw, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// queryValue returns the value of a query parameter, whose name is compared without regard to case.
func queryValue(u *url.URL, name string) string {
	for given, values := range u.Query() {
		if strings.EqualFold(given, name) {
			return values[0]
		}
	}
	return ""
}
