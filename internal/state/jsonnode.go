package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// jsonReader builds the nodes of a JSON text. A YAML parser would refuse some JSON, such as surrogate pairs, and
// would read numbers and texts by other rules.
type jsonReader struct {
	text    []byte
	decoder *json.Decoder
	line    int // of at
	begin   int // the offset at which the line begins
	at      int // the offset up to which lines are counted
}

// errJSON is a JSON text that cannot be read, with the place where reading ended.
type errJSON struct {
	line, column int
	cause        error
}

func (e *errJSON) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", e.line, e.column, e.cause)
}

// parseJSON returns the node of a text that holds one JSON value.
func parseJSON(text []byte) (*yaml.Node, error) {
	r := &jsonReader{text: text, decoder: json.NewDecoder(bytes.NewReader(text)), line: 1}
	r.decoder.UseNumber()
	node, err := r.value(0)
	if err == nil {
		if _, extra := r.decoder.Token(); !errors.Is(extra, io.EOF) {
			err = errors.New("there is more text after the JSON value")
		}
	}
	if err != nil {
		line, column := r.place(int(r.decoder.InputOffset()))
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at := int(syntax.Offset)
			if at != int(r.decoder.InputOffset()) {
				at-- // the decoder counts the bytes that it has read, except between values
			}
			line, column = placeOf(text, at)
		}
		return nil, &errJSON{line, column, err}
	}
	return node, nil
}

// value reads the next value.
func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("values are nested more than %d deep", maxDepth)
	}
	token, err := r.decoder.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	node := r.scalar(token)
	switch token {
	case json.Delim('{'):
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
	case json.Delim('['):
		node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
	default:
		return node, nil
	}
	for r.decoder.More() { // a key of an object is read as a value, which is a text
		child, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
	if _, err = r.decoder.Token(); errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	return node, err
}

// scalar returns the node of a token at its place.
func (r *jsonReader) scalar(token json.Token) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode}
	switch t := token.(type) {
	case string:
		node.Tag, node.Value = "!!str", t
	case json.Number:
		node.Tag, node.Value = "!!float", t.String()
		if !strings.ContainsAny(node.Value, ".eE") {
			node.Tag = "!!int"
		}
	case bool:
		node.Tag, node.Value = "!!bool", fmt.Sprint(t)
	case nil:
		node.Tag, node.Value = "!!null", "null"
	}
	node.Line, node.Column = r.place(r.start(token))
	return node
}

// start returns the offset at which the token that was just read begins.
func (r *jsonReader) start(token json.Token) int {
	end := int(r.decoder.InputOffset())
	switch t := token.(type) {
	case json.Delim:
		return end - 1
	case json.Number:
		return end - len(t.String())
	case bool:
		return end - len(fmt.Sprint(t))
	case nil:
		return end - len("null")
	}
	i := end - 2 // before the closing quote; the opening one is the next that is not escaped
	for i > 0 && (r.text[i] != '"' || escaped(r.text, i)) {
		i--
	}
	return max(i, 0)
}

// escaped reports whether an odd number of backslashes stands before a byte.
func escaped(text []byte, at int) bool {
	odd := false
	for i := at - 1; i >= 0 && text[i] == '\\'; i-- {
		odd = !odd
	}
	return odd
}

// place returns the line and the column of an offset that is not before those that were asked before.
func (r *jsonReader) place(offset int) (line, column int) {
	offset = min(max(offset, r.begin), len(r.text))
	for ; r.at < offset; r.at++ {
		if r.text[r.at] == '\n' {
			r.line, r.begin = r.line+1, r.at+1
		}
	}
	return r.line, utf8.RuneCount(r.text[r.begin:offset]) + 1
}

// placeOf returns the line and the column of an offset.
func placeOf(text []byte, offset int) (line, column int) {
	before := text[:min(max(offset, 0), len(text))]
	begin := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[begin:]) + 1
}
