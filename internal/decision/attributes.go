package decision

import (
	"bytes"
	"encoding/json"

	"midas/internal/rbac/condition"
)

// attributeReader converts the attributes of a question, within its limits.
type attributeReader struct{ total int }

// readAttributes reads the attributes of the question and of its actions: those of an action are @Request in conditions,
// those of the resource @Resource, and those of the environment @Environment. There is no @Principal, because custom
// security attributes are the directory's, and the time of @Environment is the server's.
func (q *Question) readAttributes() error {
	var r attributeReader
	var all condition.Attributes
	if err := r.add(&all, condition.Resource, q.body.Resource.Attributes); err != nil {
		return err
	}
	if err := r.add(&all, condition.Environment, q.body.Environment.Attributes); err != nil {
		return err
	}
	for i := range q.Actions {
		a := &q.Actions[i]
		a.attributes = all // the copy gets its own attributes of the request
		if err := r.add(&a.attributes, condition.Request, a.given); err != nil {
			return err
		}
	}
	return nil
}

// add adds the attributes of one source, which are the members of a JSON object. An attribute that is there twice is an
// error, because another program may have read the other value.
func (r *attributeReader) add(into *condition.Attributes, source condition.Source, given value) error {
	if len(given) == 0 {
		return nil
	}
	s, count := newScanner(given), 0
	s.object(func(name string) {
		text := s.skip()
		r.total += len(name) + len(text)
		if count++; count > MaxAttributes {
			s.failPlainly("@%s has more than %d attributes.", source, MaxAttributes)
		}
		if len(name) > maxAttributeName || len(text) > maxAttributeValue || r.total > maxAttributeBytes {
			s.failPlainly("The attribute @%s[%s] is too long: a name has at most %d bytes, a value %d, and all attributes together %d.",
				source, clip(name), maxAttributeName, maxAttributeValue, maxAttributeBytes)
		}
		if into.Has(source, name) {
			s.failPlainly("The attribute @%s[%s] is there twice.", source, clip(name))
		}
		if s.err != nil {
			return
		}
		values, err := readValues(text)
		if err != nil {
			s.failPlainly("The attribute @%s[%s] cannot be used: %s.", source, clip(name), err)
		}
		into.Set(source, name, values...)
	})
	return s.err
}

func readValues(text string) ([]condition.Value, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		return nil, err
	}
	return condition.FromJSON(decoded)
}
