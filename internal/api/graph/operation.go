package graph

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
)

// Operation is one row of the table.
type Operation struct {
	Method string
	Path   string // below the version: "users/{id}/memberOf"

	// Needs are privileges of which the caller needs one; 0 admits every authenticated caller.
	Needs privilege
	// ByKind replaces Needs by the privilege to read objects of {id}'s kind.
	ByKind bool
	// Self admits the caller without Needs if {id} is the caller.
	Self bool
	// Owner admits owners of {id} without Needs.
	Owner bool
	// Proof admits the application or service principal {id} itself without Needs. The handler checks that the
	// request is signed with one of its keys.
	Proof bool
	// Beta marks operations that the beta version has too.
	Beta bool
	// Guard marks operations that let the caller act as {id} or disable it. They need a Global
	// Administrator if {id} is another principal that isPrivileged.
	Guard bool

	Serve func(context.Context, *Request) (*Response, error)

	template []string
}

// label is the operation's name in metrics and logs. It never contains data of a request.
func (op *Operation) label() string { return op.Method + " " + op.Path }

// table finds operations. It does not change after newTable.
type table struct {
	operations []Operation
	byFirst    map[string][]*Operation // by the folded first segment
}

// newTable indexes the operations. Two rows for one method and path are a programming error.
func newTable(operations []Operation) (*table, error) {
	t := &table{operations: operations, byFirst: map[string][]*Operation{}}
	labels := map[string]bool{}
	for i := range operations {
		op := &operations[i]
		if labels[op.label()] {
			return nil, fmt.Errorf("two operations for %s", op.label())
		}
		labels[op.label()] = true
		op.template = strings.Split(op.Path, "/")
		first := arm.Fold(op.template[0])
		t.byFirst[first] = append(t.byFirst[first], op)
	}
	return t, nil
}

// find returns the operation of a method and a path, and sets the path's parameters.
func (t *table) find(method string, p *path) (*Operation, error) {
	var allowed []string
	for _, op := range t.byFirst[arm.Fold(p.segments[0].text)] {
		if p.beta && !op.Beta || !p.match(op.template) {
			continue
		}
		if op.Method == method {
			return op, nil
		}
		allowed = append(allowed, op.Method)
	}
	if len(allowed) == 0 {
		return nil, errSegment(p.segments[len(p.segments)-1].text)
	}
	slices.Sort(allowed)
	err := errorf(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
	err.Header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	return nil, err
}
