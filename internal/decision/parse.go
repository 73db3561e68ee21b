package decision

import (
	"encoding/json"
	"strings"

	"midas/internal/arm"
)

// Parse reads a question from the body of a request. An *Error says why it cannot be answered.
func Parse(text []byte) (*Question, error) {
	if len(text) > MaxBody {
		return nil, errorf("The request body is larger than %d bytes.", MaxBody)
	}
	q := &Question{}
	if err := q.body.read(text); err != nil {
		return nil, err
	}
	if err := q.readSubject(q.body.Subject.Attributes); err != nil {
		return nil, err
	}
	if err := q.readResource(q.body.Resource.ID); err != nil {
		return nil, err
	}
	if err := q.readActions(q.body.Actions); err != nil {
		return nil, err
	}
	return q, q.readAttributes()
}

func (q *Question) readSubject(s subjectAttributes) error {
	var valid bool
	if q.ObjectID, valid = arm.ParseGUID(s.ObjectID); !valid {
		return errorf("Subject.Attributes.ObjectId is '%s' and not the object id of a principal.", clip(s.ObjectID))
	}
	if q.tenant, valid = arm.ParseGUID(s.TenantID); !valid && s.TenantID != "" {
		return errorf("Subject.Attributes.tid is '%s' and not the id of a tenant.", clip(s.TenantID))
	}
	q.Groups = make([]string, len(s.Groups))
	for i, group := range s.Groups {
		if q.Groups[i], valid = arm.ParseGUID(group); !valid {
			return errorf("Subject.Attributes.Groups has '%s', which is not the object id of a group.", clip(group))
		}
	}
	q.Expand, valid = expands(s.ClaimNames)
	if !valid {
		return errorf(`Subject.Attributes._claim_names is not a JSON object such as {"groups":"src1"}.`)
	}
	return nil
}

// expands reports whether _claim_names says that the groups of the subject are to be looked up, as a token says
// it whose subject has too many groups. Microsoft's SDK sends the object as a text.
func expands(names json.RawMessage) (expand, valid bool) {
	if len(names) == 0 {
		return false, true
	}
	var text string
	if json.Unmarshal(names, &text) == nil {
		if text == "" {
			return false, true
		}
		names = json.RawMessage(text)
	}
	var sources map[string]any
	if err := json.Unmarshal(names, &sources); err != nil {
		return false, false
	}
	_, expand = sources["groups"]
	return expand, true
}

func (q *Question) readResource(id string) error {
	if id == "" {
		return nil
	}
	plain, err := arm.SkipEmptySegments(id) // guard documents ids that begin with two slashes
	if err == nil {
		q.Resource, err = arm.ParseID(plain)
	}
	if err != nil {
		return errorf("Resource.Id is '%s' and not the id of a resource.", clip(id))
	}
	q.Named = true
	return nil
}

func (q *Question) readActions(infos []actionInfo) error {
	if len(infos) == 0 {
		return errorf("Actions is empty.")
	}
	q.Actions = make([]Action, len(infos))
	for i, info := range infos {
		if info.ID == "" || len(info.ID) > maxAction {
			return errorf("Actions[%d].Id is '%s'; it must be the name of an action of at most %d bytes.", i, clip(info.ID), maxAction)
		}
		if len(info.SubOperation) > maxAction {
			return errorf("Actions[%d].SubOperation is longer than %d bytes.", i, maxAction)
		}
		q.Actions[i] = Action{Name: info.ID, Data: info.IsDataAction, subOperation: info.SubOperation, given: info.Attributes}
	}
	return nil
}

// clip bounds a text of the question in an error.
func clip(text string) string {
	const most = 128
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
