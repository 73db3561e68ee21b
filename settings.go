package midas

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Setting is one setting of a Config.
type Setting struct {
	Name string // as in a configuration file: "signIn.sessionLifetime"
	Env  string // the environment variable of the command line: "MIDAS_SIGN_IN_SESSION_LIFETIME"
	kind reflect.Type
}

// Settings lists all settings that a configuration file can have, in the order of their fields.
func Settings() []Setting { return settingsOf(reflect.TypeFor[Config](), "") }

func settingsOf(of reflect.Type, above string) (all []Setting) {
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || name == "":
		case isGroup(field.Type):
			all = append(all, settingsOf(field.Type, above+name+".")...)
		default:
			all = append(all, Setting{Name: above + name, Env: envOf(above + name), kind: field.Type})
		}
	}
	return all
}

// isGroup reports whether a field holds settings and is none itself.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// envOf returns the environment variable of a setting.
func envOf(name string) string {
	var b strings.Builder
	b.WriteString("MIDAS_")
	before := rune('.')
	for _, r := range name {
		switch {
		case r == '.':
			b.WriteByte('_')
		case isCapital(r) && before != '.' && !isCapital(before):
			b.WriteByte('_')
			b.WriteRune(r)
		case isCapital(r):
			b.WriteRune(r)
		default:
			b.WriteRune(r - 'a' + 'A') // names of settings are ASCII letters
		}
		before = r
	}
	return b.String()
}

func isCapital(r rune) bool { return 'A' <= r && r <= 'Z' }

// Set sets one setting, by its name in a configuration file, to a value that is written as there: "90m", "64MiB", "[a, b]",
// "{cert: FILE, key: FILE}". The values of a list of texts can also be written with commas only.
func (c *Config) Set(name, value string) error {
	for _, s := range Settings() {
		if s.Name == name {
			return c.set(s, value)
		}
	}
	return fmt.Errorf("there is no setting %q; docs/operations.md lists all", name)
}

func (c *Config) set(s Setting, value string) error {
	node, err := s.node(value)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	names := strings.Split(s.Name, ".")
	for i := len(names) - 1; i >= 0; i-- {
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: names[i]}
		node = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key, node}}
	}
	document, err := yaml.Marshal(node)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(document))
	dec.KnownFields(true)
	changed := *c
	changed.clear(s.Name)
	if err := dec.Decode(&changed); err != nil {
		return fmt.Errorf("%s: %q: %w", s.Name, value, err)
	}
	*c = changed
	return nil
}

// node parses a value.
func (s Setting) node(value string) (*yaml.Node, error) {
	switch {
	case s.kind.Kind() == reflect.String: // as it is: it may look like another type of YAML
		return textNode(value), nil
	case s.kind.Kind() == reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: truthOf(value)}, nil
	case s.kind == reflect.TypeFor[[]string]() && !strings.HasPrefix(strings.TrimSpace(value), "["):
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for text := range strings.SplitSeq(value, ",") {
			if text = strings.TrimSpace(text); text != "" {
				list.Content = append(list.Content, textNode(text))
			}
		}
		return list, nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(value), &document); err != nil {
		return nil, fmt.Errorf("%q: %w", value, err)
	}
	if len(document.Content) == 0 {
		return textNode(""), nil
	}
	return document.Content[0], nil
}

// truthOf also accepts what else is usual in environment variables.
func truthOf(value string) string {
	switch value {
	case "1", "yes":
		return "true"
	case "0", "no":
		return "false"
	}
	return value
}

func textNode(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// clear sets a setting to its zero value, so that a list that is set replaces the earlier one.
func (c *Config) clear(name string) {
	at := reflect.ValueOf(c).Elem()
	for step := range strings.SplitSeq(name, ".") {
		at = fieldOf(at, step)
	}
	at.SetZero()
}

// fieldOf returns the field with a name in YAML.
func fieldOf(of reflect.Value, name string) reflect.Value {
	for i := range of.NumField() {
		if tag, _, _ := strings.Cut(of.Type().Field(i).Tag.Get("yaml"), ","); tag == name {
			return of.Field(i)
		}
	}
	panic("midas: no field " + name) // Settings has found the name
}

// FromEnvironment sets the settings whose environment variables are set and not empty.
func (c *Config) FromEnvironment(lookup func(name string) string) error {
	for _, s := range Settings() {
		value := lookup(s.Env)
		if value == "" {
			continue
		}
		if err := c.set(s, value); err != nil {
			return fmt.Errorf("%s: %w", s.Env, err)
		}
	}
	return nil
}

// Kind describes the values of the setting in one word.
func (s Setting) Kind() string {
	switch s.kind {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[[]string]():
		return "texts"
	}
	switch s.kind.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "list"
	case reflect.Pointer:
		return "number"
	}
	return "text"
}
