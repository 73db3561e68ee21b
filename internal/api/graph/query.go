package graph

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"midas/internal/arm"
)

// Page sizes.
const (
	defaultTop = 100
	maxTop     = 999
)

// query holds the query options of a GET.
type query struct {
	selected []string
	filter   *filter
	search   *search
	orderBy  string
	down     bool // descending
	top      int
	count    bool
	token    string // $skiptoken
	name     string // identifies the list: a page token is valid only for a query of the same name
}

// allowed is a set of query options.
type allowed int

const (
	entityOptions allowed = iota // $select
	listOptions                  // all options
)

// options reads the query options of a request. The dollar sign of an option may be omitted. Unknown
// parameters without a dollar sign are ignored, as in Graph.
func options(req *Request, may allowed) (*query, error) {
	values, err := url.ParseQuery(req.HTTP.URL.RawQuery)
	if err != nil {
		return nil, errBadRequest("The query of the request cannot be read.")
	}
	q := &query{top: defaultTop}
	for name, given := range values {
		option := arm.Fold(strings.TrimPrefix(name, "$"))
		if len(given) != 1 {
			if strings.HasPrefix(name, "$") {
				return nil, errBadRequest("Query option '%s' was specified more than once, but it must be specified at most once.", clip(name))
			}
			continue
		}
		if may != listOptions && option != "select" && strings.HasPrefix(name, "$") || option == "expand" {
			return nil, errUnsupported("The query option '%s' is not supported here.", clip(name))
		}
		if err := q.read(option, given[0]); err != nil {
			return nil, err
		}
		if err := knownOption(name, option); err != nil {
			return nil, err
		}
	}
	if eventual := arm.SameName(req.HTTP.Header.Get("ConsistencyLevel"), "eventual"); !eventual {
		if q.search != nil {
			return nil, errUnsupported("Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'")
		}
		q.count = false
	}
	values.Del("$skiptoken")
	values.Del("skiptoken")
	q.name = "graph\n" + req.Caller.tenant + "\n" + req.HTTP.URL.Path + "\n" + values.Encode()
	return q, nil
}

// knownOption refuses an unknown option that begins with a dollar sign.
func knownOption(name, option string) error {
	known := []string{"select", "filter", "search", "orderby", "top", "count", "skiptoken", "format"}
	if strings.HasPrefix(name, "$") && !slices.Contains(known, option) {
		return errUnsupported("The query option '%s' is not supported.", clip(name))
	}
	return nil
}

func (q *query) read(option, value string) (err error) {
	switch option {
	case "select":
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				q.selected = append(q.selected, name)
			}
		}
	case "filter":
		q.filter, err = parseFilter(value)
	case "search":
		q.search, err = parseSearch(value)
	case "orderby":
		fields := strings.Fields(value)
		if len(fields) == 0 || len(fields) > 2 || len(fields) == 2 && fields[1] != "asc" && fields[1] != "desc" {
			return errUnsupported("The $orderby expression '%s' is not supported.", clip(value))
		}
		q.orderBy, q.down = fields[0], len(fields) == 2 && fields[1] == "desc"
	case "top":
		q.top, err = strconv.Atoi(value)
		if err != nil || q.top < 1 || q.top > maxTop {
			return errBadRequest("Invalid page size specified: '%s'. Must be between 1 and %d inclusive.", clip(value), maxTop)
		}
	case "count":
		if value != "true" && value != "false" {
			return errBadRequest("Invalid value '%s' for $count query option found. Valid values are 'true' or 'false'.", clip(value))
		}
		q.count = value == "true"
	case "skiptoken":
		q.token = value
	case "format":
		if !strings.Contains(value, "json") {
			return errUnsupported("The format '%s' is not supported.", clip(value))
		}
	}
	return err
}

// fits checks that the objects have all properties that the query names.
func fits[T any](q *query, s shape[T]) error {
	typ, _ := s.names()
	for _, name := range q.selected {
		if _, known := s.use(name); !known && name != "*" {
			return errorf(400, "BadRequest", "Parsing OData Select and Expand failed: Could not find a property named '%s' on type 'microsoft.graph.%s'.", clip(name), typ)
		}
	}
	if q.orderBy != "" {
		if u, known := s.use(q.orderBy); !known || u != text && u != dateTime {
			return errUnsupported("Unsupported sort property '%s' for '%s'.", clip(q.orderBy), typ)
		}
	}
	if q.filter != nil {
		if err := q.filter.fits(typ, s.use); err != nil {
			return err
		}
	}
	if q.search != nil {
		return q.search.fits(typ, s.use)
	}
	return nil
}

// matches reports whether an object satisfies $filter and $search.
func matches[T any](q *query, s shape[T], t T) bool {
	value := func(name string) any { return s.value(t, name) }
	return (q.filter == nil || q.filter.holds(value)) && (q.search == nil || q.search.holds(value))
}

// context is the @odata.context of a response.
func (req *Request) context(set string, q *query, entity bool) string {
	version := root
	if req.Path.beta {
		version = beta
	}
	c := req.Origin + version + "$metadata#" + set
	if q != nil && len(q.selected) > 0 {
		c += "(" + strings.Join(q.selected, ",") + ")"
	}
	if entity {
		c += "/$entity"
	}
	return c
}
