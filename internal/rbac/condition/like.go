package condition

import (
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
)

// like is a compiled pattern of StringLike: pieces with a star between them. A star matches zero or more
// characters.
//
// match takes the leftmost position of each piece. That is enough, because a position further left never excludes a
// position of the next piece; so matching needs no backtracking.
type like []piece

// piece is a part of a pattern without stars: texts with a question mark between them, which matches one character.
type piece struct {
	texts []string
	chars int // characters that the piece matches
}

// compileLike compiles a quoted pattern. After a backslash, the characters * ? \ and ' have no special meaning.
func compileLike(quoted string, ignoreCase bool) like {
	if ignoreCase {
		quoted = arm.Fold(quoted)
	}
	var pattern like
	var text []byte
	var current piece
	endText := func() {
		current.texts = append(current.texts, string(text))
		current.chars += utf8.RuneCount(text)
		text = text[:0]
	}
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '\\' && i+1 < len(quoted) && strings.IndexByte(`*?\'`, quoted[i+1]) >= 0:
			i++
			text = append(text, quoted[i])
		case c == '?':
			endText()
			current.chars++
		case c == '*':
			endText()
			pattern = append(pattern, current)
			current = piece{}
		default:
			text = append(text, c)
		}
	}
	endText()
	return append(pattern, current)
}

// match reports whether the pattern matches all of a text. It takes from steps what the search costs, and gives up
// when they are used up.
func (p like) match(s string, steps *int) bool {
	*steps -= len(s) / bytesPerStep
	first, last := p[0], p[len(p)-1]
	at := first.fits(s, 0)
	if len(p) == 1 || at < 0 {
		return at == len(s)
	}
	for i := range p[1 : len(p)-1] {
		if at = p[i+1].find(s, at, steps); at < 0 {
			return false
		}
	}
	start := len(s)
	for range last.chars {
		_, size := utf8.DecodeLastRuneInString(s[:start])
		start -= size
	}
	return start >= at && last.fits(s, start) == len(s)
}

// fits returns the end of the piece if it matches at a position, or -1.
func (p *piece) fits(s string, at int) int {
	for i, text := range p.texts {
		if i > 0 {
			_, size := utf8.DecodeRuneInString(s[at:])
			if size == 0 {
				return -1
			}
			at += size
		}
		if !strings.HasPrefix(s[at:], text) {
			return -1
		}
		at += len(text)
	}
	return at
}

// find returns the end of the leftmost match of the piece at or after a position, or -1.
func (p *piece) find(s string, at int, steps *int) int {
	for {
		i := strings.Index(s[at:], p.texts[0])
		if i < 0 {
			return -1
		}
		at += i
		if end := p.fits(s, at); end >= 0 {
			return end
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		if *steps -= 1 + p.chars/bytesPerStep; size == 0 || *steps < 0 {
			return -1
		}
		at += size
	}
}
