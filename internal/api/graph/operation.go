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

	// Needs are privileges, any of which lets a caller in; 0 lets in everyone who is authenticated.
	Needs privilege
	// ByKind asks for what it takes to read objects of the kind that {id} is, instead of Needs.
	ByKind bool
	// Self lets users and service principals do it to themselves: {id} is the caller.
	Self bool
	// Owner lets owners of {id} do it.
	Owner bool
	// Guard says that whoever may do it could become {id}, or undo it: it takes the Global
	// Administrator when {id} is someone else who holds a directory role or app roles of Microsoft
	// Graph.
	Guard bool

	Serve func(context.Context, *Request) (*Response, error)

	template []string
}

// label is the operation's name in metrics and logs: it comes from the table, never from a request.
func (op *Operation) label() string { return op.Method + " " + op.Path }

// table finds operations. It is made once and only read afterwards.
type table struct {
	operations []Operation
	byFirst    map[string][]*Operation // by the folded first segment
}

// newTable indexes the operations. Two rows for one method and path are a mistake of ours.
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

// find gives the operation that a path means, and fills in the path.
func (t *table) find(method string, p *path) (*Operation, error) {
	var allowed []string
	for _, op := range t.byFirst[arm.Fold(p.segments[0].text)] {
		if !p.match(op.template) {
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
