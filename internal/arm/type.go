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

// The keys of these types.
const (
	keyTenant        = "microsoft.resources/tenants"
	keySubscription  = "microsoft.resources/subscriptions"
	keyResourceGroup = "microsoft.resources/resourcegroups"
	keyProvider      = "microsoft.resources/providers"
)

// Namespace returns the part before the first slash: the resource provider.
func (t Type) Namespace() string {
	namespace, _, _ := strings.Cut(string(t), "/")
	return namespace
}

// Path returns the part after the namespace, such as "userAssignedIdentities".
func (t Type) Path() string {
	_, path, _ := strings.Cut(string(t), "/")
	return path
}

// CheckType returns an error if a text is not a type. A type has a namespace and at least one more word, and
// all of them pass CheckWord.
func CheckType(text string) error {
	if !strings.Contains(text, "/") {
		return errors.New("does not have the form namespace/type")
	}
	for word := range strings.SplitSeq(text, "/") {
		if err := CheckWord(word); err != nil {
			return fmt.Errorf("segment %q %w", word, err)
		}
	}
	return nil
}

// Key returns the folded form, which is used to compare and store types.
func (t Type) Key() string { return Fold(string(t)) }

// Is reports whether ARM treats both types as equal.
func (t Type) Is(other Type) bool { return SameName(string(t), string(other)) }
