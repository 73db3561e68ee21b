package decision

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
)

// body is the body of a request. Members that are not named here are ignored, CheckClassicAdmins among them:
// there are no classic administrators.
type body struct {
	Subject struct {
		Attributes subjectAttributes `json:"Attributes"`
	} `json:"Subject"`
	Actions     []actionInfo `json:"Actions"`
	Resource    resourceInfo `json:"Resource"`
	Environment struct {
		Attributes map[string]value `json:"Attributes,omitempty"`
	} `json:"Environment"`
}

type subjectAttributes struct {
	ObjectID   string          `json:"ObjectId"`
	Groups     []string        `json:"Groups,omitempty"`
	TenantID   string          `json:"tid,omitempty"`
	ClaimNames json.RawMessage `json:"_claim_names,omitempty"`
}

type actionInfo struct {
	ID           string           `json:"Id"`
	IsDataAction bool             `json:"IsDataAction,omitempty"`
	Attributes   map[string]value `json:"Attributes,omitempty"`
}

type resourceInfo struct {
	ID         string           `json:"Id"`
	Attributes map[string]value `json:"Attributes,omitempty"`
}

// Parse reads a question from the body of a request. An *Error says why it cannot be answered.
func Parse(text []byte) (*Question, error) {
	if len(text) > MaxBody {
		return nil, errorf("The request body is larger than %d bytes.", MaxBody)
	}
	if !utf8.Valid(text) || arm.TooDeep(text) {
		return nil, errorf("The request body is not UTF-8 text, or is nested more than %d levels deep.", arm.MaxDepth)
	}
	q := &Question{}
	if err := json.Unmarshal(text, &q.body); err != nil {
		return nil, errorf("The request body is not a JSON object of the form of an authorization request: %s.", reason(err))
	}
	if err := q.readSubject(q.body.Subject.Attributes); err != nil {
		return nil, err
	}
	if err := q.readResource(q.body.Resource.ID); err != nil {
		return nil, err
	}
	if err := q.readAttributes(); err != nil {
		return nil, err
	}
	return q, q.readActions(q.body.Actions)
}

func (q *Question) readSubject(s subjectAttributes) error {
	var valid bool
	if q.ObjectID, valid = arm.ParseGUID(s.ObjectID); !valid {
		return errorf("Subject.Attributes.ObjectId is '%s' and not the object id of a principal.", clip(s.ObjectID))
	}
	if q.tenant, valid = arm.ParseGUID(s.TenantID); !valid && s.TenantID != "" {
		return errorf("Subject.Attributes.tid is '%s' and not the id of a tenant.", clip(s.TenantID))
	}
	if len(s.Groups) > MaxGroups {
		return errorf("Subject.Attributes.Groups has %d groups; at most %d are allowed. With _claim_names the server looks the groups up.", len(s.Groups), MaxGroups)
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
	if len(names) == 0 || string(names) == "null" {
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
	if len(infos) > MaxActions {
		return errorf("Actions has %d actions; at most %d are allowed.", len(infos), MaxActions)
	}
	q.Actions = make([]Action, len(infos))
	for i, info := range infos {
		if info.ID == "" || len(info.ID) > maxAction {
			return errorf("Actions[%d].Id is '%s'; it must be the name of an action of at most %d bytes.", i, clip(info.ID), maxAction)
		}
		q.Actions[i] = Action{Name: info.ID, Data: info.IsDataAction, attributes: info.Attributes}
	}
	return nil
}

func errorf(format string, args ...any) *Error { return &Error{Message: fmt.Sprintf(format, args...)} }

// reason is the text of an error of package json, without the names of Go's types.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if before, _, found := strings.Cut(text, " of type "); found {
		return before
	}
	return text
}

// clip bounds a text of the question in an error.
func clip(text string) string {
	const most = 128
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
