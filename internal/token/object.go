package token

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// object has the members of a JSON object in the order of their names. Unlike package json, it does not ignore case
// in names, and no name is there twice: another reader of the same token could see another value.
type object []member

// member is a member of a JSON object. Its value is the JSON text.
type member struct{ name, value string }

// usualMembers is for how many members there is space at first. Few issuers have more claims.
const usualMembers = 16

// readObject reads a JSON object, or returns an error if the text is something else, has a name twice, or is not UTF-8.
// Package json decides what is JSON.
func readObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	if !json.Valid(data) {
		return nil, errors.New("it is not one JSON value")
	}
	rest := jsonText(data)
	if !rest.begin('{') {
		return nil, errors.New("it is not a JSON object")
	}
	all := make(object, 0, usualMembers)
	for rest.more() {
		name, _ := unquote(rest.value()) // the names of members are strings
		all = append(all, member{name, rest.value()})
	}
	slices.SortFunc(all, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	for i := 1; i < len(all); i++ {
		if all[i].name == all[i-1].name {
			return nil, fmt.Errorf("%.40q is there twice", all[i].name)
		}
	}
	return all, nil
}

// find returns the JSON text of a member. It is empty if the object has no such member.
func (o object) find(name string) string {
	i, found := slices.BinarySearchFunc(o, name, func(m member, name string) int { return cmp.Compare(m.name, name) })
	if !found {
		return ""
	}
	return o[i].value
}

// text returns a member that is a string, or "" if it is missing or null.
func (o object) text(name string) (string, error) {
	raw := o.find(name)
	text, isText := unquote(raw)
	if !isText && raw != "" && raw != "null" {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return text, nil
}

// unquote returns the value of a JSON text that is a string. Nearly all have no escapes.
func unquote(raw string) (text string, isText bool) {
	if raw == "" || raw[0] != '"' {
		return "", false
	}
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], true
	}
	return text, json.Unmarshal([]byte(raw), &text) == nil
}

// jsonText is what is left to read of a text that package json has found valid. Its methods rely on that.
type jsonText string

// begin reads the begin of an object or an array, or reports that there is another value.
func (t *jsonText) begin(open byte) bool {
	t.skipSpace()
	if (*t)[0] != open {
		return false
	}
	*t = (*t)[1:]
	return true
}

// more reports whether the object or array that was begun has a further element. It reads the comma before it.
func (t *jsonText) more() bool {
	t.skipSpace()
	switch (*t)[0] {
	case '}', ']':
		return false
	case ',':
		*t = (*t)[1:]
	}
	return true
}

// value reads the next value, and the colon before it.
func (t *jsonText) value() string {
	t.skipSpace()
	if (*t)[0] == ':' {
		*t = (*t)[1:]
		t.skipSpace()
	}
	end := valueEnd(string(*t))
	value := (*t)[:end]
	*t = (*t)[end:]
	return string(value)
}

func (t *jsonText) skipSpace() {
	n := 0
	for n < len(*t) && isSpace((*t)[n]) {
		n++
	}
	*t = (*t)[n:]
}

// isSpace reports whether JSON has a character between values only (RFC 8259, 2).
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// valueEnd returns where the value ends with which a text begins.
func valueEnd(text string) int {
	depth := 0
	for at := 0; at < len(text); at++ {
		switch c := text[at]; c {
		case '"':
			at = stringEnd(text, at)
			if depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // it ends the object or array of a number, true, false or null
				return at
			}
			if depth--; depth == 0 {
				return at + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return at
			}
		}
	}
	return len(text)
}

// stringEnd returns where the quotation mark is that ends the string whose first one is at begin.
func stringEnd(text string, begin int) int {
	for at := begin + 1; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '"':
			return at
		}
	}
	return len(text)
}
