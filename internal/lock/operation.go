package lock

import "net/http"

// Operation is the kind of an operation, as locks see it.
type Operation int

// The kinds of operations.
const (
	Read Operation = iota + 1
	Write
	Delete
)

// OperationOf returns the kind of an operation with an HTTP method. As in Azure, an action (POST) is a write, also
// if it only returns something, as listKeys does.
func OperationOf(method string) Operation {
	switch method {
	case http.MethodGet, http.MethodHead:
		return Read
	case http.MethodDelete:
		return Delete
	}
	return Write
}

// String returns the word for the operation in Azure's error.
func (o Operation) String() string {
	switch o {
	case Read:
		return "read"
	case Delete:
		return "delete"
	}
	return "write"
}
