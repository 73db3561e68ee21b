package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// expression reads and evaluates one template expression, such as concat('a', parameters('b')).name[0].
type expression struct {
	text  string
	at    int
	depth int
	call  func(name string, args []any) (any, error)
	lazy  func(name string) bool // reports whether a function exists, before its arguments are read
}

const (
	maxExpression = 24_576 // characters, as in Azure
	maxNesting    = 64
)

// errUnknownFunction is a template function that is not supported.
type errUnknownFunction struct {
	name  string
	known []string
}

func (e *errUnknownFunction) Error() string {
	return fmt.Sprintf("the template function %q is not supported.%s", e.name, suggestion(e.name, e.known))
}

// evaluate returns the value of the whole text.
func (e *expression) evaluate() (any, error) {
	if len(e.text) > maxExpression {
		return nil, fmt.Errorf("the expression is longer than %d characters", maxExpression)
	}
	v, err := e.value()
	if err != nil {
		return nil, err
	}
	if e.space(); e.at < len(e.text) {
		return nil, fmt.Errorf("the expression has %q where it should end", rest(e.text[e.at:]))
	}
	return v, nil
}

func rest(s string) string { return s[:min(len(s), 20)] }

func (e *expression) space() {
	for e.at < len(e.text) && strings.IndexByte(" \t\r\n", e.text[e.at]) >= 0 {
		e.at++
	}
}

// peek returns the next byte that is not space; 0 at the end.
func (e *expression) peek() byte {
	if e.space(); e.at < len(e.text) {
		return e.text[e.at]
	}
	return 0
}

// value reads a value with its members and elements.
func (e *expression) value() (any, error) {
	if e.depth++; e.depth > maxNesting {
		return nil, fmt.Errorf("the expression is nested more than %d deep", maxNesting)
	}
	defer func() { e.depth-- }()
	v, err := e.first()
	for err == nil {
		switch e.peek() {
		case '.':
			e.at++
			v, err = access(v, e.word())
		case '[':
			e.at++
			var index any
			if index, err = e.value(); err == nil {
				if e.peek() != ']' {
					return nil, errors.New("the expression has no ] after an index")
				}
				e.at++
				v, err = access(v, index)
			}
		default:
			return v, nil
		}
	}
	return nil, err
}

// first reads a text, a number or a call.
func (e *expression) first() (any, error) {
	switch c := e.peek(); {
	case c == '\'':
		return e.quoted()
	case c == '-' || '0' <= c && c <= '9':
		begin := e.at
		for e.at++; e.at < len(e.text) && '0' <= e.text[e.at] && e.text[e.at] <= '9'; {
			e.at++
		}
		if _, err := strconv.ParseInt(e.text[begin:e.at], 10, 64); err != nil {
			return nil, fmt.Errorf("%q is not a number", e.text[begin:e.at])
		}
		return json.Number(e.text[begin:e.at]), nil
	}
	name := e.word()
	if name == "" {
		return nil, fmt.Errorf("the expression has %q where a value should be", rest(e.text[e.at:]))
	}
	if e.peek() != '(' {
		return nil, fmt.Errorf("%q is not followed by (", name)
	}
	e.at++
	if !e.lazy(name) {
		_, err := e.call(name, nil)
		return nil, err
	}
	var args []any
	for e.peek() != ')' {
		if len(args) > 0 {
			if e.peek() != ',' {
				return nil, fmt.Errorf("%s( has no ) or , after an argument", name)
			}
			e.at++
		}
		v, err := e.value()
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	e.at++
	return e.call(name, args)
}

func (e *expression) quoted() (any, error) {
	var b strings.Builder
	for e.at++; e.at < len(e.text); e.at++ {
		if e.text[e.at] != '\'' {
			b.WriteByte(e.text[e.at])
			continue
		}
		if e.at+1 < len(e.text) && e.text[e.at+1] == '\'' {
			b.WriteByte('\'')
			e.at++
			continue
		}
		e.at++
		return b.String(), nil
	}
	return nil, errors.New("a text in the expression has no closing '")
}

func (e *expression) word() string {
	e.space()
	begin := e.at
	for e.at < len(e.text) {
		c := e.text[e.at]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		e.at++
	}
	return e.text[begin:e.at]
}

// access returns a member of an object or an element of a list.
func access(v, by any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		name, _ := by.(string)
		if found, has := lookUp(v, name); has {
			return found, nil
		}
		return nil, fmt.Errorf("there is no member %q", fmt.Sprint(by))
	case []any:
		i, err := strconv.Atoi(fmt.Sprint(by))
		if err != nil || i < 0 || i >= len(v) {
			return nil, fmt.Errorf("there is no element %v", by)
		}
		return v[i], nil
	case *later:
		name, _ := by.(string)
		return v.member(name)
	}
	return nil, fmt.Errorf("%v has no members", by)
}

// later is what only a run knows: an object that does not exist yet, of which the template takes the principal.
type later struct {
	id   string // of Resource Manager
	path string // what was taken of it
}

// member returns what is known of a member: only the principal can be taken.
func (l *later) member(name string) (any, error) {
	path := join(l.path, name)
	switch path {
	case "principalId", "identity", "identity.principalId", "properties", "properties.principalId":
		return &later{l.id, path}, nil
	}
	return nil, fmt.Errorf("reference(…).%s is not supported: only principalId and identity.principalId are", path)
}

// whole reports whether the principal was taken.
func (l *later) whole() bool { return lastName(l.path) == "principalId" }
