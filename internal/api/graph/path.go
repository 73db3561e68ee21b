package graph

import (
	"net/url"
	"strings"

	"midas/internal/arm"
)

// castPrefix begins the name of a type or of a bound function in a path. Clients may omit it before
// functions, but not before types.
const castPrefix = "microsoft.graph."

// maxSegments is larger than the number of segments in every operation's path.
const maxSegments = 8

// segment is one part of a path.
type segment struct {
	text string
	prop string // for a key in parentheses that names a property: its name, such as "appId"
	key  bool   // the segment was in parentheses, so it can only be a key
	cast bool   // the segment had the prefix of a type or function
}

// path is a parsed path, with the parameters that its operation's template names.
type path struct {
	segments []segment
	me       bool // the path began with "me", so admit sets the key of the user
	beta     bool // the path is of the beta version

	id     segment // {id}
	member string  // {member}
	by     string  // the property that {member} is a value of, such as "name"; empty if the path does not say it
	cast   string  // {cast}
}

// parsePath splits the escaped path of a request. A key may be a segment of its own or stand in
// parentheses: users/x, users('x') and users(userPrincipalName='x') all have two segments.
func parsePath(escaped string) (path, error) {
	var p path
	rest, found := strings.CutPrefix(escaped, root)
	if !found {
		rest, p.beta = strings.CutPrefix(escaped, beta)
		found = p.beta
	}
	if !found {
		return p, errSegment(strings.Trim(escaped, "/"))
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), "/") {
		text, err := url.PathUnescape(part)
		if err != nil || text == "" {
			return p, errSegment(part)
		}
		if err := p.add(text); err != nil {
			return p, err
		}
		if len(p.segments) > maxSegments {
			return p, errSegment(text)
		}
	}
	if arm.SameName(p.segments[0].text, "me") {
		p.me = true
		p.segments = append([]segment{{text: "users"}, {key: true}}, p.segments[1:]...)
	}
	return p, nil
}

func (p *path) add(text string) error {
	name, key, found := strings.Cut(text, "(")
	if !found || name == "" || !strings.HasSuffix(key, ")") {
		s := segment{text: text}
		if rest, cast := strings.CutPrefix(text, castPrefix); cast && rest != "" {
			s = segment{text: rest, cast: true}
		}
		p.segments = append(p.segments, s)
		return nil
	}
	if key = strings.TrimSuffix(key, ")"); key == "" { // a function without parameters
		return p.add(name)
	}
	s := segment{key: true}
	if !strings.HasPrefix(key, "'") {
		if s.prop, key, found = strings.Cut(key, "="); !found {
			return errSegment(text)
		}
	}
	value, ok := unquote(key)
	if !ok || value == "" {
		return errSegment(text)
	}
	s.text = value
	p.segments = append(p.segments, segment{text: name}, s)
	return nil
}

// unquote reads a literal in single quotes. Two quotes inside it stand for one.
func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return "", false
	}
	inner := s[1 : len(s)-1]
	if strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
		return "", false
	}
	return strings.ReplaceAll(inner, "''", "'"), true
}

// match compares a path with a template and sets the parameters that the template names.
func (p *path) match(template []string) bool {
	if len(p.segments) != len(template) {
		return false
	}
	found := *p
	for i, want := range template {
		s := p.segments[i]
		switch want {
		case "{id}":
			if s.cast {
				return false
			}
			found.id = s
		case "{member}":
			if s.cast {
				return false
			}
			found.member, found.by = s.text, s.prop
		case "{cast}":
			if !s.cast {
				return false
			}
			found.cast = s.text
		default:
			if s.key || !arm.SameName(s.text, want) {
				return false
			}
		}
	}
	*p = found
	return true
}
