package state

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Limits of one file.
const (
	maxFile  = 64 << 20 // bytes
	maxNodes = 4 << 20  // values, with those that aliases repeat
	maxDepth = 100
)

// File is a file of declarations.
type File struct {
	Name string // as messages name it
	Text []byte
}

// document is one document of a file: a tree of nodes without aliases.
type document struct {
	file string
	root *yaml.Node
}

func (d *document) at(n *yaml.Node) Position { return Position{d.file, n.Line, n.Column} }

// documents parses a file: one JSON value, or YAML documents.
func documents(f File, found *findings) []document {
	f.Text = utf8Text(f.Text)
	switch {
	case len(f.Text) > maxFile:
		found.add(Position{File: f.Name}, "The file is larger than %d bytes.", maxFile)
		return nil
	case bytes.HasPrefix(bytes.TrimLeft(f.Text, "\ufeff \t\r\n"), []byte("{")) || bytes.HasSuffix([]byte(f.Name), []byte(".json")):
		root, err := parseJSON(bytes.TrimPrefix(f.Text, []byte("\ufeff")))
		var bad *errJSON
		switch {
		case err == nil:
			return expanded(f.Name, []*yaml.Node{root}, found)
		case bytes.HasSuffix([]byte(f.Name), []byte(".json")) && errors.As(err, &bad):
			found.add(Position{f.Name, bad.line, bad.column}, "The file is not JSON: %v.", bad.cause)
			return nil
		} // else it may be YAML in its flow style
	}
	return expanded(f.Name, parseYAML(f, found), found)
}

// parseYAML returns the documents of a YAML file, without empty ones.
func parseYAML(f File, found *findings) (roots []*yaml.Node) {
	for decoder := yaml.NewDecoder(bytes.NewReader(f.Text)); ; {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		switch {
		case errors.Is(err, io.EOF):
			return roots
		case err != nil:
			found.add(placeOfYAML(f.Name, err), "The file is not YAML: %s.", withoutLine(err))
			return nil
		case len(doc.Content) == 1 && doc.Content[0].Tag != "!!null":
			roots = append(roots, doc.Content[0])
		}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// placeOfYAML returns the place in a parser's error, which has a line but no column.
func placeOfYAML(file string, err error) Position {
	line := 1
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
		line, _ = strconv.Atoi(m[1]) // digits
	}
	return Position{file, line, 1}
}

func withoutLine(err error) string { return yamlLine.ReplaceAllString(err.Error(), "") }

// expanded replaces the aliases in trees by what they stand for.
func expanded(file string, roots []*yaml.Node, found *findings) (docs []document) {
	e := expander{doc: document{file: file}, left: maxNodes}
	for _, root := range roots {
		root, err := e.expand(root, 0)
		if err != nil {
			found.add(e.doc.at(e.place), "The file cannot be read: %v.", err)
			return nil
		}
		docs = append(docs, document{file, root})
	}
	return docs
}

// expander copies trees without aliases and merge keys. An alias inside of the value that it names never ends, and a
// few aliases can stand for very many values, so the depth and the number of values are bounded.
type expander struct {
	doc   document
	left  int
	place *yaml.Node
	alias int // how many aliases the value is in
}

func (e *expander) expand(n *yaml.Node, depth int) (*yaml.Node, error) {
	e.place = n
	if e.left--; e.left < 0 {
		return nil, fmt.Errorf("it has more than %d values", maxNodes)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("values are nested more than %d deep", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		e.alias++
		defer func() { e.alias-- }()
		return e.expand(n.Alias, depth+1)
	}
	if len(n.Content) == 0 && e.alias == 0 {
		return n, nil
	}
	out := *n // each place has its own, because checks change the tag of a number that stands for its text
	if len(n.Content) == 0 {
		return &out, nil
	}
	out.Content = make([]*yaml.Node, 0, len(n.Content))
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Tag == "!!merge" {
			child = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!merge", Value: "<<", Line: child.Line, Column: child.Column}
			out.Content = append(out.Content, child)
			continue
		}
		c, err := e.expand(child, depth+1)
		if err != nil {
			return nil, err
		}
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Tag == "!!merge" && !mergeable(c) {
			e.place = child
			return nil, errors.New("<< needs an object or a list of objects")
		}
		out.Content = append(out.Content, c)
	}
	if n.Kind == yaml.MappingNode {
		return merged(&out), nil
	}
	return &out, nil
}

// mergeable reports whether a value can stand behind a merge key.
func mergeable(n *yaml.Node) bool {
	if n.Kind != yaml.SequenceNode {
		return n.Kind == yaml.MappingNode
	}
	return !slices.ContainsFunc(n.Content, func(element *yaml.Node) bool { return element.Kind != yaml.MappingNode })
}

// merged returns a mapping whose merge keys are replaced by the members of their mappings that it does not have itself.
func merged(n *yaml.Node) *yaml.Node {
	own, others := make([]*yaml.Node, 0, len(n.Content)), []*yaml.Node(nil)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			others = append(others, n.Content[i+1])
			continue
		}
		own = append(own, n.Content[i], n.Content[i+1])
	}
	if others == nil {
		return n
	}
	has := map[string]bool{}
	for i := 0; i < len(own); i += 2 {
		has[own[i].Value] = true
	}
	for i := 0; i < len(others); i++ {
		if others[i].Kind == yaml.SequenceNode {
			others = append(others, others[i].Content...)
			continue
		}
		for j := 0; j+1 < len(others[i].Content); j += 2 {
			if key := others[i].Content[j]; !has[key.Value] {
				has[key.Value] = true
				own = append(own, key, others[i].Content[j+1])
			}
		}
	}
	n.Content = own
	return n
}
