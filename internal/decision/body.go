package decision

import (
	"encoding/json"

	"midas/internal/arm"
)

// body is the body of a request. Its tags are for Rest. Members that are not named here are ignored, CheckClassicAdmins
// among them: there are no classic administrators.
type body struct {
	Subject struct {
		Attributes subjectAttributes
	}
	Actions     []actionInfo
	Resource    resourceInfo
	Environment struct {
		Attributes value `json:",omitempty"`
	}
}

type subjectAttributes struct {
	ObjectID   string   `json:"ObjectId"`
	Groups     []string `json:",omitempty"`
	TenantID   string   `json:"tid,omitempty"`
	ClaimNames value    `json:"_claim_names,omitempty"`
}

type actionInfo struct {
	ID           string `json:"Id"`
	IsDataAction bool   `json:",omitempty"`
	SubOperation string `json:",omitempty"`
	Attributes   value  `json:",omitempty"`
}

type resourceInfo struct {
	ID         string `json:"Id"`
	Attributes value  `json:",omitempty"`
}

// value is the text of a value in JSON. It is empty if the value is absent or null.
type value = json.RawMessage

// read reads the body from a text.
func (b *body) read(text []byte) error {
	s := newScanner(text)
	if s.err == nil && s.next() != '{' {
		s.fail("it does not begin with '{'")
	}
	s.members(map[string]func(){
		"Subject": func() {
			s.members(map[string]func(){"Attributes": func() { b.Subject.Attributes.read(s) }})
		},
		"Actions":  func() { b.readActions(s) },
		"Resource": func() { b.Resource.read(s) },
		"Environment": func() {
			s.members(map[string]func(){"Attributes": func() { b.Environment.Attributes = s.value() }})
		},
	})
	s.end()
	return s.err
}

func (a *subjectAttributes) read(s *scanner) {
	s.members(map[string]func(){
		"ObjectId":     func() { a.ObjectID = s.string() },
		"tid":          func() { a.TenantID = s.string() },
		"_claim_names": func() { a.ClaimNames = s.value() },
		"Groups": func() {
			s.array(func() {
				if len(a.Groups) == MaxGroups {
					s.failPlainly("Subject.Attributes.Groups has more than %d groups. With _claim_names the server looks the groups up.", MaxGroups)
				}
				a.Groups = append(a.Groups, s.string())
			})
		},
	})
}

func (i *resourceInfo) read(s *scanner) {
	s.members(map[string]func(){
		"Id":         func() { i.ID = s.string() },
		"Attributes": func() { i.Attributes = s.value() },
	})
}

// readActions reads the list of actions, which may be long, without a map for each.
func (b *body) readActions(s *scanner) {
	s.array(func() {
		if len(b.Actions) == MaxActions {
			s.failPlainly("Actions has more than %d actions.", MaxActions)
		}
		var a actionInfo
		var seen uint8
		s.object(func(name string) {
			field := actionMember(name)
			if seen&field != 0 {
				s.fail("the member '%s' is there twice", clip(name))
			}
			seen |= field
			switch field {
			case actionID:
				a.ID = s.string()
			case actionIsData:
				a.IsDataAction = s.bool()
			case actionAttributes:
				a.Attributes = s.value()
			case actionSubOperation:
				a.SubOperation = s.string()
			default:
				s.skip()
			}
		})
		b.Actions = append(b.Actions, a)
	})
}

// The members of an action.
const (
	actionID = 1 << iota
	actionIsData
	actionAttributes
	actionSubOperation
)

// actionMember returns the member with a name, or 0.
func actionMember(name string) uint8 {
	switch {
	case arm.SameName(name, "Id"):
		return actionID
	case arm.SameName(name, "IsDataAction"):
		return actionIsData
	case arm.SameName(name, "Attributes"):
		return actionAttributes
	case arm.SameName(name, "SubOperation"):
		return actionSubOperation
	}
	return 0
}
