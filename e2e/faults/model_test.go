//go:build e2e && cluster

package faults

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// namesPerGroup is how many identities a group can have in the model.
const namesPerGroup = 3

// groupState has the principal id of each identity of a group; "" if there is none, and "?N" if operation N has
// made it and nobody has seen its id yet.
type groupState [namesPerGroup]string

// groupInput is an operation on a group.
type groupInput struct {
	method string // PUT, GET, DELETE, or LIST, which has no name
	name   int
	number int // of the operation
}

// groupOutput is its outcome.
type groupOutput struct {
	unknown bool // it may have had an effect, or not
	status  int
	ids     groupState // of the answer; only [0] unless the method is LIST
}

// groups is the model of the identities of one resource group: create, read, delete and list are atomic.
func groups() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return groupState{} },
		Step: func(state, in, out any) (bool, any) {
			return stepGroup(state.(groupState), in.(groupInput), out.(groupOutput))
		},
		Equal: func(a, b any) bool { return a == b },
		DescribeOperation: func(in, out any) string {
			return fmt.Sprintf("%+v -> %+v", in, out)
		},
	}
}

func stepGroup(s groupState, in groupInput, out groupOutput) (bool, any) {
	switch in.method {
	case "PUT":
		return s.put(in, out)
	case "DELETE": // 200 to all who delete it at the same moment, 204 if it was not there
		had := s[in.name] != ""
		s[in.name] = ""
		return out.unknown || out.status == 200 || !had, s
	case "GET":
		ok := s.sees(in.name, out.ids[0])
		return ok, s
	}
	for i := range s {
		if !s.sees(i, out.ids[i]) {
			return false, s
		}
	}
	return true, s
}

func (s groupState) put(in groupInput, out groupOutput) (bool, any) {
	switch had := s[in.name] != ""; {
	case out.unknown && !had:
		s[in.name] = fmt.Sprintf("?%d", in.number)
	case out.unknown:
	case had == (out.status == 201):
		return false, s
	case had:
		ok := s.sees(in.name, out.ids[0])
		return ok, s
	default:
		s[in.name] = out.ids[0]
	}
	return true, s
}

// sees reports whether a read may show an id, and keeps the id of an identity that an unknown operation has made.
func (s *groupState) sees(name int, id string) bool {
	if strings.HasPrefix(s[name], "?") && id != "" {
		s[name] = id
	}
	return s[name] == id
}

// rightInput is an operation on a right: a role assignment, or an identity that is attached to a host.
type rightInput struct{ method string } // PUT, DELETE, or USE

// rightOutput is its outcome.
type rightOutput struct{ unknown, allowed bool }

// rights is the model of one right. USE may be allowed up to a second after the right was taken away, so the history
// begins it a second before its call; it is refused only while the right is really missing.
func rights() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return false },
		Step: func(state, in, out any) (bool, any) {
			switch in.(rightInput).method {
			case "PUT":
				return true, true
			case "DELETE":
				return true, false
			}
			return out.(rightOutput).allowed == state.(bool), state
		},
		Equal:             func(a, b any) bool { return a == b },
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
	}
}
