package wire

import (
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/odata"
)

// Associated is a resource that uses an identity.
type Associated struct {
	ID                      string `json:"id"`
	Name                    string `json:"name"`
	Type                    string `json:"type"`
	ResourceGroup           string `json:"resourceGroup"`
	SubscriptionID          string `json:"subscriptionId"`
	SubscriptionDisplayName string `json:"subscriptionDisplayName"`
}

// AssociatedList is a page of the resources that use an identity.
type AssociatedList struct {
	TotalCount int          `json:"totalCount"`
	Value      []Associated `json:"value"`
	NextLink   string       `json:"nextLink,omitempty"`
}

// EncodeAssociated encodes a resource from its id and the name of its subscription. As in Azure, type and
// group are in lower case.
func EncodeAssociated(id arm.ID, subscriptionName string) Associated {
	return Associated{
		ID: identity.WireID(id), Name: id.Name(), Type: id.Type().Key(), ResourceGroup: arm.Fold(id.ResourceGroup()),
		SubscriptionID: id.Subscription(), SubscriptionDisplayName: subscriptionName,
	}
}

// Size estimates the size of an entry in an answer, in bytes.
func (a Associated) Size() int {
	const names = 150 // bytes of the fields' names
	return names + len(a.ID) + len(a.Name) + len(a.Type) + len(a.ResourceGroup) + len(a.SubscriptionID) + len(a.SubscriptionDisplayName)
}

// field returns the value of a field. Its name compares without case.
func (a Associated) field(name string) (value string, known bool) {
	switch arm.Fold(name) {
	case "id":
		return a.ID, true
	case "name":
		return a.Name, true
	case "type":
		return a.Type, true
	case "resourcegroup":
		return a.ResourceGroup, true
	case "subscriptionid":
		return a.SubscriptionID, true
	case "subscriptiondisplayname":
		return a.SubscriptionDisplayName, true
	}
	return "", false
}

// associatedGrammar is the grammar of $filter for the list of associated resources.
var associatedGrammar = odata.Grammar{Or: true, AnyCase: true, Functions: []string{odata.Contains}}

// ParseAssociatedFilter parses a $filter with and, or, eq, ne and contains. Values compare without case.
func ParseAssociatedFilter(filter string) (func(Associated) bool, error) {
	e, err := associatedGrammar.Parse(filter, func(t odata.Term) error {
		if _, known := (Associated{}).field(t.Name); !known {
			return errFilter("'" + t.Name + "' is not supported")
		}
		if t.Op != "eq" && t.Op != "ne" && t.Op != odata.Contains {
			return errFilter("only eq, ne and contains are supported")
		}
		if arm.SameName(t.Name, "type") && t.Op != odata.Contains && arm.CheckType(t.Value) != nil {
			return errFilter("a resource type has the form namespace/type")
		}
		return nil
	})
	if err != nil {
		if _, worded := err.(*arm.Error); worded {
			return nil, err
		}
		return nil, errFilter(err.Error())
	}
	return func(a Associated) bool {
		return e.Holds(func(t odata.Term) bool {
			value, _ := a.field(t.Name)
			if t.Op == odata.Contains {
				return strings.Contains(arm.Fold(value), arm.Fold(t.Value))
			}
			return arm.SameName(value, t.Value) == (t.Op == "eq")
		})
	}, nil
}

// ParseAssociatedOrder parses an $orderby such as "type, name desc", of up to 6 fields. It returns nil if the
// $orderby is empty: the list then keeps its own order.
func ParseAssociatedOrder(orderby string) (func(a, b Associated) int, error) {
	if strings.TrimSpace(orderby) == "" {
		return nil, nil
	}
	type key struct {
		name string
		sign int
	}
	var keys []key
	for part := range strings.SplitSeq(orderby, ",") {
		words := strings.Fields(part)
		k := key{sign: 1}
		if len(words) == 2 && words[1] == "desc" {
			k.sign = -1
		} else if len(words) == 0 || len(words) > 2 || len(words) == 2 && words[1] != "asc" {
			return nil, errOrder(orderby)
		}
		k.name = words[0]
		if _, known := (Associated{}).field(k.name); !known || len(keys) == 6 {
			return nil, errOrder(orderby)
		}
		keys = append(keys, k)
	}
	return func(a, b Associated) int {
		for _, k := range keys {
			x, _ := a.field(k.name)
			y, _ := b.field(k.name)
			if c := strings.Compare(arm.Fold(x), arm.Fold(y)); c != 0 {
				return c * k.sign
			}
		}
		return 0
	}, nil
}

func errOrder(orderby string) error {
	return arm.Errorf(http.StatusBadRequest, "InvalidOrderByInQueryString", "Invalid $orderby in the query string: '%s'.", orderby)
}
