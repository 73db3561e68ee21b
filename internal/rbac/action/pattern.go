// Package action compares actions, such as Microsoft.Compute/virtualMachines/read, with the patterns of roles,
// deny assignments and conditions.
package action

import (
	"fmt"
	"strings"

	"midas/internal/arm"
)

// Pattern is a compiled action pattern, such as "Microsoft.Compute/*/read".
//
// A pattern consists of segments that are separated by slashes. A segment "*" between two slashes matches zero
// or more whole segments: A/*/read matches A/read, A/b/read and A/b/c/read, but neither AB/read nor A/bread.
// Every other "*" (the first or last segment, or a part of a segment) matches zero or more characters,
// including slashes: */read, Microsoft.Support/*, a/start*/action. No other character is special, and case is
// ignored.
//
// A compiled pattern is a list of literals with a gap before each but the first. After a free gap, the
// literal may begin anywhere; after a segment gap, only at the start of the gap or after a slash. Match takes
// the leftmost position of each literal. That is enough, because a position further left never excludes a
// position of the next literal; so matching is one pass without backtracking.
type Pattern struct {
	first string // the action begins with it
	rest  []piece
}

type piece struct {
	text     string
	segments bool // the gap before the text is a segment gap
}

// Check returns an error if a text is not an action pattern. The parts between slashes and stars must be
// words of ARM, which are ASCII.
func Check(p string) error {
	for segment := range strings.SplitSeq(p, "/") {
		if word := strings.ReplaceAll(segment, "*", "x"); arm.CheckWord(word) != nil {
			return fmt.Errorf("the action pattern %q: segment %q %w", p, segment, arm.CheckWord(word))
		}
	}
	return nil
}

// Compile compiles a pattern, in any case. Check tells whether a text is one.
func Compile(p string) Pattern {
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
	return Pattern{first: pieces[0].text, rest: pieces[1:]}
}

// Match reports whether the pattern covers an action that is already folded.
func (p *Pattern) Match(action string) bool {
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

// after returns the end of the leftmost position of the piece that is not before at, or -1.
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

// fits reports whether the piece may begin at start. The literal before a segment gap ends in a slash, so the
// start of the gap is accepted, too.
func (p *piece) fits(action string, start int) bool {
	return !p.segments || action[start-1] == '/'
}
