package condition

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
)

// lexer splits the text of a condition into tokens.
type lexer struct {
	text string
	at   int // bytes that are read
}

// punctuation has the tokens that are not words.
var punctuation = [...]struct {
	text string
	kind tokenKind
}{
	{"(", tokenOpen}, {")", tokenClose}, {"{", tokenOpenSet}, {"}", tokenCloseSet}, {",", tokenComma},
	{"&&", tokenAnd}, {"||", tokenOr}, {"!", tokenNot},
}

// next returns the next token.
func (l *lexer) next() (token, *SyntaxError) {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
	if l.at == len(l.text) {
		return token{offset: l.at}, nil
	}
	rest := l.text[l.at:]
	for _, p := range punctuation {
		if strings.HasPrefix(rest, p.text) {
			return l.take(p.kind, len(p.text)), nil
		}
	}
	switch {
	case rest[0] == '\'':
		return l.quoted()
	case rest[0] == '@':
		return l.attribute()
	case isWordByte(rest[0]):
		return l.word(), nil
	}
	return token{}, l.unexpected()
}

// take returns the next bytes as a token.
func (l *lexer) take(kind tokenKind, length int) token {
	t := token{kind, l.text[l.at : l.at+length], l.at}
	l.at += length
	return t
}

// word reads an operator, a number, a GUID, or the words of logical operators in any case.
func (l *lexer) word() token {
	length := 1
	for l.at+length < len(l.text) && isWordByte(l.text[l.at+length]) {
		length++
	}
	t := l.take(tokenWord, length)
	switch {
	case arm.SameName(t.text, "AND"):
		t.kind = tokenAnd
	case arm.SameName(t.text, "OR"):
		t.kind = tokenOr
	case arm.SameName(t.text, "NOT"):
		t.kind = tokenNot
	}
	return t
}

func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(":-+._", c) >= 0
}

// quoted reads a string. A backslash before a quotation mark or another backslash does not end the string.
func (l *lexer) quoted() (token, *SyntaxError) {
	start := l.at
	for i := start + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			i++
		case '\'':
			l.at = i + 1
			return token{tokenText, l.text[start+1 : i], start}, nil
		}
	}
	return token{}, faultAt(l.text, start, "a string has no closing quotation mark")
}

// attribute reads @Source[name].
func (l *lexer) attribute() (token, *SyntaxError) {
	rest := l.text[l.at:]
	open := strings.IndexByte(rest, '[')
	length := 1
	for length < len(rest) && isWordByte(rest[length]) {
		length++
	}
	if open != length {
		return token{}, faultAt(l.text, l.at, "an attribute has the form @Resource[name]")
	}
	end := strings.IndexByte(rest, ']')
	if end < 0 {
		return token{}, faultAt(l.text, l.at, "an attribute has no closing bracket")
	}
	return l.take(tokenAttribute, end+1), nil
}

// unexpected is the error for a character that begins no token.
func (l *lexer) unexpected() *SyntaxError {
	r, _ := utf8.DecodeRuneInString(l.text[l.at:])
	switch {
	case r == '&' || r == '|':
		return faultAt(l.text, l.at, "the operator is '%c%c', not '%c'", r, r, r)
	case r == '"' || r == '‘' || r == '’':
		return faultAt(l.text, l.at, "a string stands between ' and '")
	case unicode.IsSpace(r) || !unicode.IsPrint(r):
		return faultAt(l.text, l.at, "the character %U is not white space of the language", r)
	}
	return faultAt(l.text, l.at, "the character '%c' is not expected", r)
}
