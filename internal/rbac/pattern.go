package rbac

import (
	"fmt"
	"strings"

	"midas/internal/arm"
)

// pattern is a compiled action pattern of a role, such as "Microsoft.Compute/*/read".
//
// The rule: a pattern is cut at its slashes. A segment that is exactly "*" and stands between two
// slashes matches any number of whole segments, none included; so A/*/read matches A/read,
// A/b/read and A/b/c/read, and since A/ and read are whole segments, it matches neither AB/read
// nor A/bread. Every other "*", be it the first or last segment or a part of one, matches any run
// of characters, slashes and the empty run included: */read, Microsoft.Support/*, a/start*/action.
// Nothing else is special, and case does not count.
//
// Compiled, that is a row of literals with a gap before each but the first: a free gap lets the
// literal begin anywhere, a segment gap only where the gap itself began or after a slash.
// Taking the leftmost place for each literal is enough, for a place that is further left never
// rules out a place for the next literal; so matching is one pass without backtracking.
type pattern struct {
	first string // the action begins with it
	rest  []piece
}

type piece struct {
	text     string
	segments bool // the gap before it is a run of whole segments
}

// CheckPattern reports why a text is no action pattern: between its slashes and stars stand words of
// ARM, which are ASCII.
func CheckPattern(p string) error {
	for segment := range strings.SplitSeq(p, "/") {
		if word := strings.ReplaceAll(segment, "*", "x"); arm.CheckWord(word) != nil {
			return fmt.Errorf("the action pattern %q: segment %q %w", p, segment, arm.CheckWord(word))
		}
	}
	return nil
}

func compile(p string) pattern {
	segments := strings.Split(arm.Fold(p), "/")
	var pieces []piece
	current := piece{}
	for i, s := range segments {
		last := i == len(segments)-1
		if s == "*" && i > 0 && !last {
			if current.text != "" { // "/*/*/" is the same gap as "/*/"
				pieces = append(pieces, current)
				current = piece{segments: true}
			}
			continue
		}
		for j, literal := range strings.Split(s, "*") {
			if j > 0 {
				pieces = append(pieces, current)
				current = piece{}
			}
			current.text += literal
		}
		if !last {
			current.text += "/"
		}
	}
	pieces = append(pieces, current)
	return pattern{first: pieces[0].text, rest: pieces[1:]}
}

// match reports whether the pattern covers an action that is already folded.
func (p *pattern) match(action string) bool {
	if len(p.rest) == 0 {
		return action == p.first
	}
	if !strings.HasPrefix(action, p.first) {
		return false
	}
	at := len(p.first)
	for _, next := range p.rest[:len(p.rest)-1] {
		if at = next.after(action, at); at < 0 {
			return false
		}
	}
	last := p.rest[len(p.rest)-1]
	start := len(action) - len(last.text)
	return start >= at && strings.HasSuffix(action, last.text) && last.fits(action, start)
}

// after gives the end of the leftmost place for the piece at or after at, or -1.
func (p *piece) after(action string, at int) int {
	for {
		i := strings.Index(action[at:], p.text)
		if i < 0 {
			return -1
		}
		if at += i; p.fits(action, at) {
			return at + len(p.text)
		}
		at++
	}
}

// fits reports whether the piece may begin at a place. What stands before a segment gap always ends
// in a slash, so the place where the gap began passes, too.
func (p *piece) fits(action string, start int) bool {
	return !p.segments || action[start-1] == '/'
}
