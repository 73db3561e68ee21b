package login

import (
	"html/template"
	"strings"
	"unicode"
)

// maxNameRunes is how many characters of a name a page shows.
const maxNameRunes = 120

// The isolates of Unicode (UAX #9). Text between them keeps its own direction and does not change the
// order of the text around it, like <bdi> in HTML.
const (
	isolateBegin = "\u2068"
	isolateEnd   = "\u2069"
)

// isolated returns a name that a user or an owner of an application has chosen, for the sentences of a
// page: plain, clipped, and between isolates. If the name has no visible character, it uses otherwise.
func isolated(name, otherwise string) string {
	name = clip(plainly(name), maxNameRunes)
	if name == "" {
		name = otherwise
	}
	return isolateBegin + name + isolateEnd
}

// clip shortens a text to so many characters.
func clip(text string, most int) string {
	for i := range text {
		if most--; most < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// plainly returns the visible part of a text: without control and formatting characters, which reorder or
// hide their surroundings, without invisible characters, with one space between words, and with at most
// two combining marks on a letter.
func plainly(text string) string {
	var b strings.Builder
	marks, space := 0, false
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case unicode.IsSpace(r) || unicode.In(r, unicode.Zs, unicode.Zl, unicode.Zp) || r == '\u2800':
			space, marks = b.Len() > 0, 0
			continue
		case invisible(r):
			continue
		case unicode.Is(unicode.M, r):
			if marks++; marks > 2 || space || b.Len() == 0 {
				continue
			}
		default:
			marks = 0
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// invisible reports whether a character has no glyph, or no agreed meaning: controls and formats of
// Unicode, Default_Ignorable_Code_Point, and private or unassigned characters.
func invisible(r rune) bool {
	return unicode.In(r, unicode.C, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || !unicode.IsGraphic(r)
}

// marked returns a sentence as HTML, with <bdi> for its isolates.
func marked(sentence string) template.HTML {
	return template.HTML(strings.NewReplacer(isolateBegin, "<bdi>", isolateEnd, "</bdi>").Replace(template.HTMLEscapeString(sentence)))
}
