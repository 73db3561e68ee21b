package wire

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/odata"
	"midas/internal/resource"
)

// ResourceFilter is a parsed $filter of the lists of resources, or of groups. The zero value keeps everything.
type ResourceFilter struct {
	Type  arm.Type // the list to read; empty means all types
	expr  odata.Expr
	byTag bool // whether a term is about tags
}

// startsWith is the name of a function in a filter.
const startsWith = "startswith"

// resourceGrammar is the grammar of $filter for the lists of resources. Azure PowerShell writes its words in capitals.
var resourceGrammar = odata.Grammar{Or: true, AnyCase: true, Substring: true, Functions: []string{startsWith}}

// ParseResourceFilter parses a $filter of terms that are joined by and, or and parentheses. The terms are eq and ne
// with resourceType, name, resourceGroup, subscriptionId, location, identity/principalId and the fields of plan, eq
// with tagName and tagValue, substringof with name and resourceGroup, and startswith with tagName. Texts compare
// without case, except the values of tags.
func ParseResourceFilter(filter string) (ResourceFilter, error) {
	f, err := parseFilter(filter, checkResourceTerm)
	if err != nil {
		return ResourceFilter{}, err
	}
	for _, term := range f.expr.Required() {
		if arm.SameName(term.Name, "resourceType") && term.Op == "eq" {
			f.Type = arm.Type(term.Value)
		}
	}
	return f, nil
}

// ParseGroupFilter parses the $filter of the list of groups, as in tagName eq 'x' and tagValue eq 'y'.
func ParseGroupFilter(filter string) (func(resource.Record) bool, error) {
	f, err := parseFilter(filter, func(term odata.Term) error {
		if !isTagTerm(term) {
			return errFilter("only tagName eq and tagValue eq are supported")
		}
		return nil
	})
	return func(rec resource.Record) bool { return f.Keeps(identity.Resource{Record: rec}) }, err
}

func parseFilter(filter string, check func(odata.Term) error) (f ResourceFilter, err error) {
	f.expr, err = resourceGrammar.Parse(filter, func(term odata.Term) error {
		f.byTag = f.byTag || isTagTerm(term)
		return check(term)
	})
	if syntax, bad := errors.AsType[*odata.SyntaxError](err); bad {
		return ResourceFilter{}, errFilter(syntax.Error())
	}
	return f, err
}

// isTagTerm reports whether a term is about tags and is supported.
func isTagTerm(term odata.Term) bool {
	return term.Op == "eq" && (arm.SameName(term.Name, "tagName") || arm.SameName(term.Name, "tagValue")) ||
		term.Op == startsWith && arm.SameName(term.Name, "tagName")
}

func checkResourceTerm(term odata.Term) error {
	if isTagTerm(term) {
		return nil
	}
	name, known := arm.Fold(term.Name), []string{"resourcetype", "name", "resourcegroup", "subscriptionid", "location", "identity/principalid"}
	isPlan := slices.Contains([]string{"plan/publisher", "plan/product", "plan/name", "plan/version", "plan/promotioncode"}, name)
	switch {
	case !slices.Contains(known, name) && !isPlan:
		return errFilter("'" + term.Name + "' is not supported")
	case term.Op == odata.Contains && (name == "name" || name == "resourcegroup"):
		return nil
	case term.Op != "eq" && term.Op != "ne":
		return errFilter("only eq and ne are supported, substringof for 'name' and 'resourceGroup', and startswith for 'tagName'")
	case name == "resourcetype" && arm.CheckType(term.Value) != nil:
		return errFilter("a resource type has the form namespace/type")
	}
	return nil
}

// Keeps reports whether a resource matches the filter. All terms about tags must hold for one and the same tag.
func (f ResourceFilter) Keeps(rec identity.Resource) bool {
	if !f.byTag {
		return f.holds(rec, nil)
	}
	for name, value := range rec.Tags {
		if f.holds(rec, &tag{name, value}) {
			return true
		}
	}
	return f.holds(rec, nil)
}

type tag struct{ name, value string }

// holds evaluates the filter for a resource with one of its tags; without a tag, no term about tags holds.
func (f ResourceFilter) holds(rec identity.Resource, t *tag) bool {
	return f.expr.Holds(func(term odata.Term) bool {
		if isTagTerm(term) {
			return t != nil && t.matches(term)
		}
		value := listedField(rec, arm.Fold(term.Name))
		if term.Op == odata.Contains {
			return strings.Contains(arm.Fold(value), arm.Fold(term.Value))
		}
		wanted := term.Value
		if arm.SameName(term.Name, "location") {
			wanted = arm.Location(wanted)
		}
		return arm.SameName(value, wanted) == (term.Op == "eq")
	})
}

func (t *tag) matches(term odata.Term) bool {
	switch {
	case term.Op == startsWith:
		return strings.HasPrefix(arm.Fold(t.name), arm.Fold(term.Value))
	case arm.SameName(term.Name, "tagName"):
		return arm.SameName(t.name, term.Value)
	}
	return t.value == term.Value
}

// listedField returns the field of a resource that a filter names; empty if the resource does not have it.
func listedField(rec identity.Resource, name string) string {
	switch name {
	case "resourcetype":
		return string(rec.Type)
	case "name":
		return rec.Name
	case "location":
		return rec.Location
	case "identity/principalid":
		return rec.Identity.PrincipalID
	case "resourcegroup", "subscriptionid":
		id, err := arm.ParseID(rec.ID)
		switch {
		case err != nil:
			return ""
		case name == "subscriptionid":
			return id.Subscription()
		}
		return id.ResourceGroup()
	}
	var plan map[string]any
	if json.Unmarshal(rec.Extra["plan"], &plan) != nil {
		return ""
	}
	for field, value := range plan {
		if text, is := value.(string); is && "plan/"+arm.Fold(field) == name {
			return text
		}
	}
	return ""
}
