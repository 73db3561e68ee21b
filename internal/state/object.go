package state

import (
	"midas/internal/arm"
)

// kind is a kind of declared objects. The values are in the order in which objects are created.
type kind uint8

const (
	kindUser kind = iota
	kindApplication
	kindSecret        // a secret of an application
	kindAppFederated  // a federated credential of an application
	kindGroup         // of the directory
	kindResourceGroup // of a subscription
	kindIdentity
	kindFederated // a federated credential of an identity
	kindResource
	kindCustomRole
	kindMember // of a group
	kindRoleAssignment
	kindHost
	kinds // the number of kinds
)

// String returns the name of a kind in plans.
func (k kind) String() string {
	return [...]string{
		"user", "application", "secret", "application federated credential", "group", "resource group", "identity",
		"federated credential", "resource", "custom role", "member", "role assignment", "host",
	}[k]
}

// object is one declared object.
type object struct {
	kind  kind
	at    Position
	key   string // with kind it identifies the object, here and on the server
	label string // names the object for people

	id     arm.ID             // of objects of Resource Manager, except role assignments
	body   map[string]any     // what is declared, as the API has it
	fixed  map[string]fixedID // ids that the file fixes, for laboratories
	parent *reference         // of secrets, credentials, members and hosts
	to     *reference         // the member of a group; the principal of a role assignment
	scope  arm.ID             // of a role assignment
	role   string             // of a role assignment: a name or a GUID
	guid   string             // the name of a role assignment or of a custom role; empty: made of its content
	named  bool               // the file has the guid
	uses   []reference        // other objects that must exist before this one
	needs  []*object          // those of uses that are declared
	secret string             // of a user or a secret of an application, in laboratories
}

// reference names an object that is declared, or that the server has.
type reference struct {
	at    Position
	kind  kind
	key   string
	label string
	guid  string // an object id instead of kind and key
}

func (r reference) index() string { return indexOf(r.kind, r.key) }

func (o *object) index() string { return indexOf(o.kind, o.key) }

func indexOf(k kind, key string) string { return string(rune('A'+k)) + key }

// line names the object in plans and messages.
func (o *object) line() string { return o.kind.String() + " " + o.label }

// Declaration is the content of the files that Load has read.
type Declaration struct {
	objects  []*object
	byIndex  map[string]*object
	defaults Defaults

	documents     int                 // that are not empty
	subscriptions map[string]Position // the ids that files name, with a place
	located       map[*object]string  // locations that come from a file's default, not from the object
}

// Len returns the number of declared objects.
func (d *Declaration) Len() int { return len(d.objects) }

// Defaults are what files leave out.
type Defaults struct {
	SubscriptionID string
	TenantID       string
	Domain         string            // of users
	ResourceGroup  string            // of ARM templates at the level of resource groups
	Location       string            // of that group, as resourceGroup().location; empty: that of its declaration
	Parameters     map[string]string // of ARM templates
	Lab            bool              // whether ids and secrets may be fixed
}
