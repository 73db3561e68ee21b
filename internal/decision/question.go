package decision

import "midas/internal/arm"

// The limits of a question. Clients of Azure send batches of 200 actions.
const (
	MaxBody       = 256 << 10 // bytes of JSON
	MaxActions    = 500
	MaxGroups     = 1024 // that the question names
	MaxAttributes = 64   // of the resource, of the environment, and of one action

	maxAction         = 512      // bytes of the name of an action
	maxAttributeName  = 256      // bytes
	maxAttributeValue = 4 << 10  // bytes of JSON
	maxAttributeBytes = 64 << 10 // of all values of a question, in JSON
)

// Question is a question about one subject and one resource, as Parse has read it.
type Question struct {
	ObjectID string   // of the subject, a GUID in canonical form
	Groups   []string // object ids in canonical form, for which the asking service vouches
	Expand   bool     // the subject's groups are to be looked up in the directory
	Resource arm.ID
	Named    bool // the question names Resource; otherwise it is the root
	Actions  []Action

	tenant string // of the subject, in canonical form; empty if the question does not name it
	body   body   // what was parsed, for Rest
}
