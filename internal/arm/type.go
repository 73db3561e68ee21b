package arm

import (
	"errors"
	"fmt"
	"strings"
)

// Type is a resource type with its provider namespace, such as
// "Microsoft.ManagedIdentity/userAssignedIdentities".
type Type string

// The types that ARM itself serves; their ids have no /providers/ part.
const (
	TypeTenant        Type = "Microsoft.Resources/tenants"
	TypeSubscription  Type = "Microsoft.Resources/subscriptions"
	TypeResourceGroup Type = "Microsoft.Resources/resourceGroups"
	TypeProvider      Type = "Microsoft.Resources/providers"
)

// Their keys.
const (
	keyTenant        = "microsoft.resources/tenants"
	keySubscription  = "microsoft.resources/subscriptions"
	keyResourceGroup = "microsoft.resources/resourcegroups"
	keyProvider      = "microsoft.resources/providers"
)

// Namespace is the part before the first slash: the resource provider.
func (t Type) Namespace() string {
	namespace, _, _ := strings.Cut(string(t), "/")
	return namespace
}

// Path is the part after the namespace, such as "userAssignedIdentities".
func (t Type) Path() string {
	_, path, _ := strings.Cut(string(t), "/")
	return path
}

// CheckType reports why a text is not a type: it must have a namespace and at least one more word, all
// of which pass CheckWord.
func CheckType(text string) error {
	if !strings.Contains(text, "/") {
		return errors.New("has not the form namespace/type")
	}
	for word := range strings.SplitSeq(text, "/") {
		if err := CheckWord(word); err != nil {
			return fmt.Errorf("segment %q %w", word, err)
		}
	}
	return nil
}

// Key is the folded form, for comparing and storing.
func (t Type) Key() string { return Fold(string(t)) }

// Is reports whether both are the same type for ARM.
func (t Type) Is(other Type) bool { return SameName(string(t), string(other)) }
