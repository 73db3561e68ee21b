package rbac

import (
	_ "embed"

	"midas/internal/arm"
)

// builtinText has the built-in roles in the form of "az role definition list": one JSON array, with one role on
// each line in the order of their ids, so that one role can be decoded without the others. Clients rely on the
// ids, names, dates and action strings, which are those of Azure in August 2023 with later additions to
// Contributor and the identity roles. A test compares them with Azure's answer and has the list of differences.
// The descriptions are Midas's own, and empty where the name says it all.
//
//go:embed builtin.json
var builtinText string

// Definitions returns the built-in roles that are part of Midas, in the order of their ids. It decodes them at
// every call. Service.ListDefinitions also has the imported and the custom roles.
func Definitions() []Definition {
	all, err := newLibrary(builtinText, nil).all()
	if err != nil {
		panic(err) // the file is part of the program, and a test decodes it
	}
	return all
}

// DefinitionByID finds a role that is part of Midas by its GUID, in any case.
func DefinitionByID(id string) (Definition, bool) {
	r, err := newLibrary(builtinText, nil).role(arm.Fold(id))
	if err != nil || r == nil {
		return Definition{}, false
	}
	return r.Definition, true
}
