package state

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"midas/internal/arm"
)

// shape is what the value of a field may be.
type shape uint8

const (
	text      shape = iota // a text, or a number that stands for its text
	boolean                // true or false
	number                 // a whole number
	record                 // an object with the fields of the table
	list                   // a list of values like elem
	mapping                // an object with any names and values like elem
	anything               // any value
	oneOf                  // an object with exactly one of the fields of the table
	attached               // a list of references to identities, or an object whose names are such references
	attribute              // a text or null, which removes it
)

// field is a field of a file of declarations.
type field struct {
	name     string
	is       shape
	doc      string // one sentence, for editors
	required bool
	lab      bool     // only for laboratories
	readOnly bool     // what servers return and files may repeat; it is not compared
	enum     []string // the texts that are allowed
	fields   []field  // of record and oneOf
	elem     *field   // of list and mapping
	check    func(string) error
}

// checker compares trees with the table and collects what differs.
type checker struct {
	doc *document
	*findings
}

// value checks a node against a field.
func (c checker) value(n *yaml.Node, f *field) {
	switch f.is {
	case text, attribute:
		c.text(n, f)
	case boolean:
		c.scalar(n, f, "!!bool", "true or false")
	case number:
		c.scalar(n, f, "!!int", "a whole number")
	case record:
		c.record(n, f)
	case oneOf:
		c.oneOf(n, f)
	case list:
		c.list(n, f)
	case mapping:
		c.mapping(n, f)
	case anything:
		c.anything(n)
	case attached:
		c.attached(n, f)
	}
}

func (c checker) text(n *yaml.Node, f *field) {
	switch {
	case f.is == attribute && n.Tag == "!!null":
		return
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Tag == "!!binary":
		c.add(c.doc.at(n), "%q must be a text, not %s.", f.name, kindOf(n))
		return
	}
	n.Tag = "!!str" // a number or a date stands for its text
	if f.enum != nil && !slices.Contains(f.enum, n.Value) {
		c.add(c.doc.at(n), "%q must be one of %s, not %q.%s", f.name, strings.Join(f.enum, ", "), arm.Clip(n.Value), suggestion(n.Value, f.enum))
		return
	}
	if f.check != nil {
		if err := f.check(n.Value); err != nil {
			c.add(c.doc.at(n), "%q: %s", f.name, sentence(err))
		}
	}
}

func (c checker) scalar(n *yaml.Node, f *field, tag, what string) {
	if n.Kind != yaml.ScalarNode || n.Tag != tag {
		c.add(c.doc.at(n), "%q must be %s, not %s.", f.name, what, kindOf(n))
	}
}

func (c checker) record(n *yaml.Node, f *field) {
	if n.Kind != yaml.MappingNode {
		c.add(c.doc.at(n), "%s must be an object, not %s.", within(f), kindOf(n))
		return
	}
	c.duplicates(n)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		known := f.field(key.Value)
		if known == nil {
			c.unknown(key, f)
			continue
		}
		c.value(value, known)
	}
	for i := range f.fields {
		if f.fields[i].required && member(n, f.fields[i].name) == nil {
			c.add(c.doc.at(n), "%s has no %q.", within(f), f.fields[i].name)
		}
	}
}

// unknown reports a field that the table does not have.
func (c checker) unknown(key *yaml.Node, f *field) {
	if hint, has := misplaced(f, key.Value); has {
		c.add(c.doc.at(key), "%s has no field %q: %s", within(f), arm.Clip(key.Value), hint)
		return
	}
	c.add(c.doc.at(key), "%s has no field %q.%s", within(f), arm.Clip(key.Value), suggestion(key.Value, f.names()))
}

func (c checker) oneOf(n *yaml.Node, f *field) {
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		c.add(c.doc.at(n), "%q must be an object with exactly one of %s.", f.name, strings.Join(f.names(), ", "))
		return
	}
	known := f.field(n.Content[0].Value)
	if known == nil {
		c.unknown(n.Content[0], f)
		return
	}
	c.value(n.Content[1], known)
}

func (c checker) list(n *yaml.Node, f *field) {
	if n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		c.add(c.doc.at(n), "%q must be a list, not %s.", f.name, kindOf(n))
		return
	}
	for _, element := range n.Content {
		c.value(element, f.elem)
	}
}

func (c checker) mapping(n *yaml.Node, f *field) {
	if n.Kind != yaml.MappingNode {
		if n.Tag != "!!null" {
			c.add(c.doc.at(n), "%q must be an object, not %s.", f.name, kindOf(n))
		}
		return
	}
	c.duplicates(n)
	for i := 1; i < len(n.Content); i += 2 {
		c.value(n.Content[i], f.elem)
	}
}

func (c checker) anything(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		c.duplicates(n)
	}
	for _, child := range n.Content {
		c.anything(child)
	}
}

func (c checker) attached(n *yaml.Node, f *field) {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, element := range n.Content {
			c.text(element, &field{name: f.name})
		}
	case yaml.MappingNode:
		c.duplicates(n)
		for i := 1; i < len(n.Content); i += 2 {
			if v := n.Content[i]; v.Kind != yaml.MappingNode && v.Tag != "!!null" {
				c.add(c.doc.at(v), "The value of an identity in %q must be {}, not %s.", f.name, kindOf(v))
			}
		}
	default:
		c.add(c.doc.at(n), "%q must be a list of identities, not %s.", f.name, kindOf(n))
	}
}

// duplicates reports the names that a mapping has more than once. Case is ignored, as ARM does.
func (c checker) duplicates(n *yaml.Node) {
	if len(n.Content) < 4 {
		return
	}
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if before := first[arm.Fold(key.Value)]; before != nil {
			c.add(c.doc.at(key), "%q is here a second time; the first is in line %d.", arm.Clip(key.Value), before.Line)
			continue
		}
		first[arm.Fold(key.Value)] = key
	}
}

// field returns the field with exactly this name, or nil.
func (f *field) field(name string) *field {
	for i := range f.fields {
		if f.fields[i].name == name {
			return &f.fields[i]
		}
	}
	return nil
}

func (f *field) names() []string {
	names := make([]string, len(f.fields))
	for i := range f.fields {
		names[i] = f.fields[i].name
	}
	return names
}

// within names what has the fields of a record, for messages.
func within(f *field) string {
	if f.name == "" {
		return "The file"
	}
	return fmt.Sprintf("%q", f.name)
}

// sentence returns the text of an error without its code, as a sentence.
func sentence(err error) string {
	s := message(err)
	if s != "" && !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// kindOf describes a value for messages.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "an object"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "null"
	case n.Tag == "!!str":
		return fmt.Sprintf("the text %q", arm.Clip(n.Value))
	}
	return arm.Clip(n.Value)
}

// member returns the value of a mapping's member, or nil.
func member(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// memberFold is member for names that compare without case.
func memberFold(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if arm.SameName(n.Content[i].Value, name) {
			return n.Content[i+1]
		}
	}
	return nil
}

// textOf returns the text of a scalar, or nothing for nil and null.
func textOf(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}
