package expression

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const wildcards = "*?"

// pattern is the compiled value of the operator matches. The asterisks of the value separate its segments.
type pattern struct {
	first, last segment // at the beginning and at the end of the text; without an asterisk, first is the whole value
	middle      []segment
	exact       bool // there is no asterisk
}

func compile(value string) pattern {
	parts := strings.Split(value, "*")
	if len(parts) == 1 {
		return pattern{first: segment{text: value}, exact: true}
	}
	p := pattern{first: segment{text: parts[0]}, last: segment{text: parts[len(parts)-1]}}
	for _, part := range parts[1 : len(parts)-1] {
		if part != "" {
			p.middle = append(p.middle, newSegment(part))
		}
	}
	return p
}

// matches takes for each segment the first place where it fits. A later place leaves less of the text for the segments
// that follow, so there is no need to try it.
func (p *pattern) matches(text string) bool {
	rest, found := p.first.cutPrefix(text)
	if !found || p.exact {
		return found && rest == ""
	}
	for i := range p.middle {
		if rest, found = p.middle[i].cut(rest); !found {
			return false
		}
	}
	return p.last.isSuffix(rest)
}

// segment is a part of a value without asterisks. A question mark in it stands for any character.
type segment struct {
	text string

	// For each character of the text and for all others (key 0), a bit for each position of the text that has it or a
	// question mark. It is nil if there is no question mark.
	positions map[rune]bits
	length    int // characters
}

func newSegment(text string) segment {
	s := segment{text: text, length: utf8.RuneCountInString(text)}
	if !strings.ContainsRune(text, '?') {
		return s
	}
	all := []rune(text)
	wild := newBits(s.length)
	for i, r := range all {
		if r == '?' {
			wild.set(i)
		}
	}
	s.positions = map[rune]bits{0: wild}
	for i, r := range all {
		if r == '?' {
			continue
		}
		if s.positions[r] == nil {
			s.positions[r] = slices.Clone(wild)
		}
		s.positions[r].set(i)
	}
	return s
}

// cutPrefix returns the text after the segment, if the text begins with it.
func (s *segment) cutPrefix(text string) (rest string, found bool) {
	for _, r := range s.text {
		got, size := utf8.DecodeRuneInString(text)
		if size == 0 || r != '?' && r != got {
			return "", false
		}
		text = text[size:]
	}
	return text, true
}

// isSuffix reports whether the text ends with the segment.
func (s *segment) isSuffix(text string) bool {
	for rest := s.text; rest != ""; {
		r, size := utf8.DecodeLastRuneInString(rest)
		got, gotSize := utf8.DecodeLastRuneInString(text)
		if gotSize == 0 || r != '?' && r != got {
			return false
		}
		rest, text = rest[:len(rest)-size], text[:len(text)-gotSize]
	}
	return true
}

// cut returns the text after the first place where the segment fits. Question marks rule out the usual algorithms for
// substrings, so it reads the text once with one bit for each position of the segment (the algorithm is called
// Shift-And). Bit i is set if the text that was read ends with the first i+1 characters of the segment.
func (s *segment) cut(text string) (rest string, found bool) {
	if s.positions == nil {
		_, rest, found = strings.Cut(text, s.text)
		return rest, found
	}
	state := newBits(s.length)
	for i, r := range text {
		mask, known := s.positions[r]
		if !known {
			mask = s.positions[0]
		}
		state.shift()
		state.and(mask)
		if state.has(s.length - 1) {
			_, size := utf8.DecodeRuneInString(text[i:])
			return text[i+size:], true
		}
	}
	return "", false
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits { return make(bits, (n+63)/64) }

func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

// shift adds one to every number and puts 0 into the set.
func (b bits) shift() {
	carry := uint64(1)
	for i, word := range b {
		b[i], carry = word<<1|carry, word>>63
	}
}

func (b bits) and(other bits) {
	for i := range b {
		b[i] &= other[i]
	}
}
