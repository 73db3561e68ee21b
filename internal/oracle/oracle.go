// Package oracle compares answers of the control plane with Microsoft's own OpenAPI files.
//
// Only tests import it. The files (Swagger 2.0) are not part of this repository: Folder finds them beside the
// module, and tests that need them are skipped if they are missing.
//
// An answer is looked up by provider, api-version and path. Its status must be one that the operation lists,
// or an error if the operation describes errors, and its body must match the schema of that status. The files
// allow fields that they do not list, so almost every body would match. The oracle is stricter: an object has
// only the fields that are listed, and no field is null. known.go lists the known differences of Azure itself.
package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// ErrNotCovered means that there is no file for the provider and version of an answer, or no such operation in
// it, so the answer was not checked.
var ErrNotCovered = errors.New("no OpenAPI file covers this operation")

// Answer is the response of a server to a request.
type Answer struct {
	Method string
	URL    *url.URL
	Status int
	Header http.Header
	Body   []byte
}

// Operation names the operation whose definition an answer was compared with.
type Operation struct {
	ID       string // UserAssignedIdentities_Get
	Provider string // Microsoft.ManagedIdentity
	Version  string // 2023-01-31
	Method   string // GET
	Path     string // with {parameters}, as in the file
}

// Oracle reads the files as it needs them. It is safe for concurrent use.
type Oracle struct {
	dir string // the folder of the specs

	mu         sync.Mutex
	files      map[string]any // decoded JSON by path below dir
	operations map[string][]*operation
	schemas    map[string]*jsonschema.Schema
}

// Folder returns the folder with the public Azure files, ../shared/azure relative to the module's root, and
// whether it exists.
func Folder() (string, bool) {
	at, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for ; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			break
		}
		if at == filepath.Dir(at) {
			return "", false
		}
	}
	dir := filepath.Join(at, "..", "shared", "azure")
	_, err = os.Stat(dir)
	return dir, err == nil
}

// Open returns an oracle for the files below dir, which has a folder for each provider.
func Open(dir string) (*Oracle, error) {
	o := &Oracle{
		dir:   dir,
		files: map[string]any{}, operations: map[string][]*operation{}, schemas: map[string]*jsonschema.Schema{},
	}
	for _, p := range providers() {
		if found, err := filepath.Glob(filepath.Join(dir, p.files)); err != nil || len(found) == 0 {
			return nil, fmt.Errorf("open the OpenAPI files of %s: no file matches %s in %s", p.namespace, p.files, dir)
		}
	}
	return o, nil
}

// Check compares an answer with its operation's definition. The error describes the difference. It is
// ErrNotCovered if no file describes the operation; the operation is then empty.
func (o *Oracle) Check(a Answer) (Operation, error) {
	op, err := o.find(a)
	if err != nil {
		return Operation{}, err
	}
	response, err := op.response(a)
	if err != nil {
		return op.Operation, fmt.Errorf("%s %s: %w", op.Version, op.ID, err)
	}
	if err := o.checkBody(a, op, response); err != nil {
		return op.Operation, fmt.Errorf("%s %s, status %d: %w: %.500s", op.Version, op.ID, a.Status, err, a.Body)
	}
	return op.Operation, nil
}

// find returns the operation of an answer. If the files of a provider are complete, a successful answer to an
// operation that they do not have is an error.
func (o *Oracle) find(a Answer) (*operation, error) {
	version := queryValue(a.URL, "api-version")
	p, known := providerOf(a.URL.Path)
	if !known || version == "" {
		return nil, ErrNotCovered
	}
	all, err := o.load(p, version)
	if err != nil {
		return nil, err
	}
	var best *operation
	for _, op := range all {
		if !op.vague && op.Method == a.Method && op.pattern.MatchString(a.URL.Path) && (best == nil || op.closer(best)) {
			best = op
		}
	}
	switch {
	case best != nil:
		return best, nil
	case p.complete && len(all) > 0 && a.Status < 300:
		return nil, fmt.Errorf("%s %s %s has no such operation, but the answer is %d", p.namespace, version, a.Method, a.Status)
	}
	return nil, ErrNotCovered
}

// response returns the operation's definition of a status. "default" is the definition of errors.
func (op *operation) response(a Answer) (response, error) {
	if r, listed := op.responses[strconv.Itoa(a.Status)]; listed {
		return r, nil
	}
	if r, described := op.responses["default"]; described && a.Status >= 400 {
		return r, nil
	}
	return response{}, fmt.Errorf("the status %d is not listed", a.Status)
}

func (o *Oracle) checkBody(a Answer, op *operation, r response) error {
	if len(a.Body) == 0 {
		if r.Schema != nil && a.Method != http.MethodHead {
			return errors.New("there is no body")
		}
		return nil
	}
	if media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return fmt.Errorf("the content type is %q", a.Header.Get("Content-Type"))
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.Body))
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	if a.Status >= 400 {
		if err := checkError(body); err != nil {
			return err
		}
		if a.Header.Get("X-Ms-Failure-Cause") == "gateway" && !op.provider.armErrors {
			r.Schema, r.file = armError(), ""
		}
	}
	if r.Schema == nil {
		return errors.New("there should be no body")
	}
	schema, err := o.compile(r)
	if err != nil {
		return err
	}
	return schema.Validate(body)
}

// checkError checks the fields of an error that all clients read, because few of the files require them.
func checkError(body any) error {
	fields, _ := body.(map[string]any)
	if nested, isObject := fields["error"].(map[string]any); isObject {
		fields = nested
	}
	for _, name := range []string{"code", "message"} {
		if text, _ := fields[name].(string); text == "" {
			return fmt.Errorf("the error has no %s", name)
		}
	}
	return nil
}

// armError is the schema of an error of ARM itself, which ARM sends without asking the provider.
func armError() json.RawMessage {
	return json.RawMessage(`{"$ref":"common-types/v2/types.json#/definitions/ErrorResponse"}`)
}
