package decision

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"midas/internal/rbac"
)

// PageSize is the number of decisions of one page.
const PageSize = 50

// Page divides decisions into those of the first page and the actions that remain. Decisions are in the order of the
// question, with one exception. Clients such as guard take the first page for the whole answer and allow a request if
// each of its decisions is Allowed. So if all decisions of the first page are Allowed and a later one is not, that one is
// the last of the first page.
func Page(all []Decision) (first []Decision, rest []Action) {
	if len(all) <= PageSize {
		return all, nil
	}
	refused := slices.IndexFunc(all, func(d Decision) bool { return d.Effect != rbac.Allowed })
	if refused >= PageSize {
		d := all[refused]
		all = slices.Insert(slices.Delete(slices.Clone(all), refused, refused+1), PageSize-1, d)
	}
	for _, d := range all[PageSize:] {
		rest = append(rest, d.Action)
	}
	return all[:PageSize], rest
}

// Rest returns the question about the remaining actions as a compressed text, from which ParseRest makes it again.
func (q *Question) Rest(actions []Action) ([]byte, error) {
	left := q.body
	left.Actions = make([]actionInfo, len(actions))
	for i, a := range actions {
		left.Actions[i] = actionInfo{ID: a.Name, IsDataAction: a.Data, SubOperation: a.subOperation, Attributes: a.given}
	}
	text, err := json.Marshal(left)
	if err != nil {
		return nil, fmt.Errorf("encode the remaining question: %w", err)
	}
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.DefaultCompression)
	if err != nil {
		return nil, fmt.Errorf("compress the remaining question: %w", err)
	}
	_, err = w.Write(text)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("compress the remaining question: %w", err)
	}
	return buf.Bytes(), nil
}

// ParseRest is Parse for a text of Rest.
func ParseRest(compressed []byte) (*Question, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(compressed)), MaxBody+1))
	if err != nil {
		return nil, errorf("The remaining question cannot be read.")
	}
	return Parse(text)
}
