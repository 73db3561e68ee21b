package decision

import (
	"bytes"
	"encoding/json"

	"midas/internal/rbac/condition"
)

// value is the value of one attribute, in JSON.
type value = json.RawMessage

// attributeReader converts the attributes of a question, within its limits.
type attributeReader struct{ total int }

// readAttributes reads the attributes of the question and of its actions: those of an action are @Request in conditions,
// those of the resource @Resource, and those of the environment @Environment. There is no @Principal, because custom
// security attributes are the directory's, and the time of @Environment is the server's.
func (q *Question) readAttributes() error {
	var r attributeReader
	if err := r.add(&q.attributes, condition.Resource, q.body.Resource.Attributes); err != nil {
		return err
	}
	if err := r.add(&q.attributes, condition.Environment, q.body.Environment.Attributes); err != nil {
		return err
	}
	for _, a := range q.body.Actions {
		var unused condition.Attributes
		if err := r.add(&unused, condition.Request, a.Attributes); err != nil {
			return err
		}
	}
	return nil
}

// attributesOf returns what conditions may read for an action. The attributes have been checked by readAttributes.
func (q *Question) attributesOf(a Action) condition.Attributes {
	if len(a.attributes) == 0 {
		return q.attributes
	}
	var r attributeReader
	var all condition.Attributes
	for source, attributes := range map[condition.Source]map[string]value{
		condition.Request: a.attributes, condition.Resource: q.body.Resource.Attributes, condition.Environment: q.body.Environment.Attributes,
	} {
		if r.add(&all, source, attributes) != nil {
			return condition.Attributes{} // without attributes, a condition grants nothing
		}
	}
	return all
}

// add adds the attributes of one source.
func (r *attributeReader) add(into *condition.Attributes, source condition.Source, all map[string]value) error {
	if len(all) > MaxAttributes {
		return errorf("@%s has %d attributes; at most %d are allowed.", source, len(all), MaxAttributes)
	}
	for name, text := range all {
		r.total += len(name) + len(text)
		if len(name) > maxAttributeName || len(text) > maxAttributeValue || r.total > maxAttributeBytes {
			return errorf("The attribute @%s[%s] is too long: a name has at most %d bytes, a value %d, and all attributes together %d.",
				source, clip(name), maxAttributeName, maxAttributeValue, maxAttributeBytes)
		}
		values, err := readValues(text)
		if err != nil {
			return errorf("The attribute @%s[%s] cannot be used: %s.", source, clip(name), err)
		}
		into.Set(source, name, values...)
	}
	return nil
}

func readValues(text value) ([]condition.Value, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		return nil, err
	}
	return condition.FromJSON(decoded)
}
