package login

import (
	"html/template"
	"strings"
	"unicode"
)

// maxNameRunes is how many characters of a name pages show.
const maxNameRunes = 120

// The isolates of Unicode (UAX #9). What stands between them keeps its own direction and does not
// change the order of the text around it, as <bdi> does in HTML.
const (
	isolateBegin = "\u2068"
	isolateEnd   = "\u2069"
)

// isolated is a name that somebody else has chosen, as it stands in the sentences of a page: as plainly
// writes it, and between isolates. A name of which nothing can be seen is shown as otherwise.
func isolated(name, otherwise string) string {
	name = clip(plainly(name), maxNameRunes)
	if name == "" {
		name = otherwise
	}
	return isolateBegin + name + isolateEnd
}

// clip ends a text after so many characters.
func clip(text string, most int) string {
	for i := range text {
		if most--; most < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// plainly gives what can be seen of a text: no control and formatting characters, which reorder or hide what stands beside them, no characters that
// are drawn as nothing, one space between words, and no more than two marks on a letter.
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

// invisible reports whether a character is drawn as nothing, or has no meaning that all agree on: the
// controls and formats of Unicode, its Default_Ignorable_Code_Point, and what is private or unassigned.
func invisible(r rune) bool {
	return unicode.In(r, unicode.C, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || !unicode.IsGraphic(r)
}

// marked writes a sentence as HTML, with <bdi> for its isolates.
func marked(sentence string) template.HTML {
	return template.HTML(strings.NewReplacer(isolateBegin, "<bdi>", isolateEnd, "</bdi>").Replace(template.HTMLEscapeString(sentence)))
}
