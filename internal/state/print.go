package state

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Write writes a plan for people: a line for each change, and a summary.
func (p *Plan) Write(w io.Writer) error {
	var lines strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&lines, "%s %s%s\n", map[Action]string{Create: "+", Change: "~", Delete: "-"}[s.Action], printable(s.Line()), describe(s.Differences))
	}
	created, changed, deleted := p.Counts()
	if len(p.Steps) == 0 {
		fmt.Fprintf(&lines, "Nothing differs: %d objects are as declared.\n", p.declaration.Len())
	} else {
		fmt.Fprintf(&lines, "%d to create, %d to change, %d to delete.\n", created, changed, deleted)
	}
	_, err := io.WriteString(w, lines.String())
	return err
}

// printable returns a name without control characters, which others than the reader may have chosen.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
}

// describe returns the differences of a step in one line.
func describe(differences []Difference) string {
	var parts []string
	for _, d := range differences {
		parts = append(parts, fmt.Sprintf("%s %s -> %s", d.Path, brief(d.From), brief(d.To)))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// brief returns a value as short JSON.
func brief(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if runes := []rune(string(text)); len(runes) > 120 {
		return string(runes[:120]) + "…"
	}
	return string(text)
}

// MarshalJSON returns a plan for programs.
func (p *Plan) MarshalJSON() ([]byte, error) {
	type change struct {
		Action      Action       `json:"action"`
		Kind        string       `json:"kind"`
		Name        string       `json:"name"`
		At          string       `json:"at,omitempty"`
		Differences []Difference `json:"differences,omitempty"`
	}
	type plan struct {
		Objects int      `json:"objects"`
		Create  int      `json:"create"`
		Change  int      `json:"change"`
		Delete  int      `json:"delete"`
		Changes []change `json:"changes"`
	}
	out := plan{Objects: p.declaration.Len(), Changes: []change{}}
	out.Create, out.Change, out.Delete = p.Counts()
	for _, s := range p.Steps {
		out.Changes = append(out.Changes, change{s.Action, s.object.kind.String(), s.object.label, s.object.at.String(), s.Differences})
	}
	return json.Marshal(out)
}
