package decision

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
)

// scanner reads a JSON text (RFC 8259) from its beginning to its end. For a batch of actions, encoding/json takes longer
// than all decisions. After the first fault, err is set and all methods return zero values.
type scanner struct {
	text  string
	at    int // the index of the next byte
	depth int
	err   error
}

// newScanner returns a scanner of a text. Texts that are not UTF-8 are faults, because services could read them in
// different ways.
func newScanner(text []byte) *scanner {
	s := &scanner{text: string(text)}
	if !utf8.ValidString(s.text) {
		s.fail("it is not UTF-8")
	}
	return s
}

// fail sets the fault, unless there is one.
func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = errorf("The request body is not a JSON object of the form of an authorization request: "+format+".", args...)
	}
}

// failPlainly sets a fault of the question whose JSON is correct.
func (s *scanner) failPlainly(format string, args ...any) {
	if s.err == nil {
		s.err = errorf(format, args...)
	}
}

// next skips white space and returns the next byte without reading it, or 0 at the end and after a fault.
func (s *scanner) next() byte {
	for ; s.err == nil && s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take reads the next byte after white space if it is c.
func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.at++
	return true
}

// null reads null, the value of a member that is absent, if it is the next value.
func (s *scanner) null() bool {
	if s.next() != 'n' {
		return false
	}
	s.word("null")
	return true
}

func (s *scanner) word(word string) {
	if s.next(); !strings.HasPrefix(s.text[s.at:], word) {
		s.fail("invalid value at byte %d", s.at)
		return
	}
	s.at += len(word)
}

// object reads an object or null. It calls member with the name of each member; member reads the value.
func (s *scanner) object(member func(name string)) {
	s.list('{', '}', func() {
		name := s.string()
		if !s.take(':') {
			s.fail("a colon is missing at byte %d", s.at)
		}
		if s.err == nil {
			member(name)
		}
	})
}

// members reads an object or null, and the values of the members with names that read has, in any case. It skips the others.
// A member that is there twice is a fault, because another program may have read the other value.
func (s *scanner) members(read map[string]func()) {
	seen := make([]string, 0, 8)
	s.object(func(name string) {
		name, wanted := find(read, name)
		switch {
		case wanted == nil:
			s.skip()
		case slices.Contains(seen, name):
			s.fail("the member '%s' is there twice", name)
		default:
			seen = append(seen, name)
			wanted()
		}
	})
}

// find returns the member with a name, which may be spelled in any case, or nil.
func find(members map[string]func(), name string) (string, func()) {
	if read, exact := members[name]; exact {
		return name, read
	}
	for known, read := range members {
		if arm.SameName(known, name) {
			return known, read
		}
	}
	return name, nil
}

// value reads a value of any type. It returns nothing for null.
func (s *scanner) value() value {
	if s.null() {
		return nil
	}
	return value(s.skip())
}

// array reads an array or null. It calls element to read each element.
func (s *scanner) array(element func()) { s.list('[', ']', element) }

func (s *scanner) list(begin, end byte, element func()) {
	if s.null() {
		return
	}
	if s.depth++; s.depth > arm.MaxDepth {
		s.fail("it is nested more than %d levels deep", arm.MaxDepth)
	}
	if !s.take(begin) {
		s.fail("%q is missing at byte %d", begin, s.at)
	}
	for empty := s.take(end); !empty && s.err == nil; {
		element()
		if s.take(end) {
			break
		}
		if !s.take(',') {
			s.fail("%q or a comma is missing at byte %d", end, s.at)
		}
	}
	s.depth--
}

// string reads a string or null, which is the empty string.
func (s *scanner) string() string {
	if s.null() {
		return ""
	}
	if !s.take('"') {
		s.fail("a string is missing at byte %d", s.at)
		return ""
	}
	begin, escaped := s.at, false
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			if escaped {
				return s.unescaped(s.text[begin-1 : s.at])
			}
			return s.text[begin : s.at-1]
		case c == '\\':
			escaped = true
			s.at++
		case c < ' ':
			s.fail("a control character is in a string at byte %d", s.at)
			return ""
		}
	}
	s.fail("a string does not end")
	return ""
}

func (s *scanner) unescaped(quoted string) (text string) {
	if json.Unmarshal([]byte(quoted), &text) != nil {
		s.fail("a string has an invalid escape before byte %d", s.at)
	}
	return text
}

// bool reads true, false or null, which is false.
func (s *scanner) bool() bool {
	switch s.next() {
	case 't':
		s.word("true")
		return s.err == nil
	case 'f':
		s.word("false")
	default:
		s.word("null")
	}
	return false
}

// skip reads a value of any type and returns its text.
func (s *scanner) skip() string {
	c := s.next()
	begin := s.at
	switch {
	case c == '{':
		s.object(func(string) { s.skip() })
	case c == '[':
		s.array(func() { s.skip() })
	case c == '"':
		s.string()
	case c == '-' || '0' <= c && c <= '9':
		s.number()
	default:
		s.bool()
	}
	if s.err != nil {
		return ""
	}
	return s.text[begin:s.at]
}

func (s *scanner) number() {
	begin := s.at
	for s.at < len(s.text) && strings.IndexByte("+-.0123456789Ee", s.text[s.at]) >= 0 {
		s.at++
	}
	if !json.Valid([]byte(s.text[begin:s.at])) {
		s.fail("invalid number at byte %d", begin)
	}
}

// end checks that nothing follows.
func (s *scanner) end() {
	if s.next(); s.at < len(s.text) {
		s.fail("something follows it at byte %d", s.at)
	}
}
