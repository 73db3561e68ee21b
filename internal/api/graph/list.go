package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Limits of one request. A page ends after maxScanned objects, even if it is short or empty, and has a
// nextLink. Sorting and counting read all objects and refuse larger collections.
const (
	scanBatch  = 50 // objects read at a time, each of which may be large
	maxScanned = 5_000
	maxSorted  = 5_000
	maxCounted = 100_000
)

// source reads the objects of a collection.
type source[T any] struct {
	shape shape[T]

	// after returns the next objects after a cursor and the cursor of the last one that it has read. An
	// empty cursor means the beginning as a parameter and the end as a result.
	after func(tx store.Tx, cursor string, limit int) (found []T, last string, err error)

	// cursor returns the cursor of an object.
	cursor func(T) string

	// first are objects that come before all others; may be nil.
	first []T

	// direct looks up the candidates by a key if the filter requires one; known reports whether it does.
	// May be nil.
	direct func(tx store.Tx, f *filter) (candidates []T, known bool, err error)
}

// builtin marks the cursors of first objects. No object id begins with it.
const builtin = "!"

// walk yields the objects of a source after a cursor, each with its own cursor, until yield returns false.
func (s *source[T]) walk(tx store.Tx, q *query, cursor string, yield func(t T, cursor string) bool) error {
	if s.direct != nil {
		candidates, known, err := s.direct(tx, q.filter)
		if known || err != nil {
			begin := 0
			if n, ok := strings.CutPrefix(cursor, builtin); ok {
				begin, _ = strconv.Atoi(n) // cursors are sealed, so n is a number
				begin -= len(s.first) - 1
			}
			for i, t := range candidates {
				if i < begin {
					continue
				}
				if !yield(t, builtin+strconv.Itoa(len(s.first)+i)) {
					break
				}
			}
			return err
		}
	}
	begin := 0
	if n, ok := strings.CutPrefix(cursor, builtin); ok {
		begin, _ = strconv.Atoi(n) // cursors are sealed, so n is a number
		begin, cursor = begin+1, ""
	} else if cursor != "" {
		begin = len(s.first)
	}
	for i := begin; i < len(s.first); i++ {
		if !yield(s.first[i], builtin+strconv.Itoa(i)) {
			return nil
		}
	}
	for {
		found, last, err := s.after(tx, cursor, scanBatch)
		if err != nil {
			return err
		}
		for _, t := range found {
			if !yield(t, s.cursor(t)) {
				return nil
			}
		}
		if last == "" {
			return nil
		}
		cursor = last
	}
}

// pageResponse is a 200 response with one page of a source.
func pageResponse[T any](ctx context.Context, h *Handler, req *Request, s source[T]) (*Response, error) {
	q, err := options(req, listOptions)
	if err != nil {
		return nil, err
	}
	if err := fits(q, s.shape); err != nil {
		return nil, err
	}
	cursor, err := h.Pages.Open(q.name, q.token)
	if err != nil {
		return nil, errorf(http.StatusBadRequest, "Directory_ExpiredPageToken", "The specified page token value has expired and can no longer be included in your request.")
	}
	if err := req.event.MakeList(ctx); err != nil {
		return nil, err
	}
	var found []json.RawMessage
	var next string
	var total int
	err = h.Store.View(ctx, func(tx store.Tx) (err error) {
		if q.count && q.token == "" {
			if total, err = count(tx, q, s); err != nil {
				return err
			}
		}
		if q.orderBy != "" {
			found, next, err = sorted(tx, q, s, cursor)
		} else {
			found, next, err = unsorted(tx, q, s, cursor)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	_, set := s.shape.names()
	body := object{{"@odata.context", req.context(set, q, false)}}
	if q.count && q.token == "" {
		body = append(body, property{"@odata.count", total})
	}
	if next != "" {
		body = append(body, property{"@odata.nextLink", req.next(h.Pages.Seal(q.name, next))})
	}
	return &Response{Status: http.StatusOK, Body: append(body, property{"value", found})}, nil
}

// next returns the URL of the next page, which is the URL of the request with another page token.
func (req *Request) next(token string) string {
	values, _ := url.ParseQuery(req.HTTP.URL.RawQuery) // options has parsed the same query without an error
	values.Del("skiptoken")
	values.Set("$skiptoken", token)
	return req.Origin + req.HTTP.URL.EscapedPath() + "?" + values.Encode()
}

// encoded holds the encoded objects of a page, which have at most arm.PageBytes.
type encoded struct {
	objects []json.RawMessage
	size    int
}

// add appends an object unless the page is full.
func (e *encoded) add(o object) (added bool, err error) {
	raw, err := o.MarshalJSON()
	if err != nil {
		return false, fmt.Errorf("encode an object: %w", err)
	}
	if e.size += len(raw); e.size > arm.PageBytes && len(e.objects) > 0 {
		return false, nil
	}
	e.objects = append(e.objects, raw)
	return true, nil
}

func unsorted[T any](tx store.Tx, q *query, s source[T], cursor string) (found []json.RawMessage, next string, err error) {
	looked, last := 0, ""
	page := encoded{objects: []json.RawMessage{}}
	var failed error
	err = s.walk(tx, q, cursor, func(t T, at string) bool {
		looked++
		if matches(q, s.shape, t) {
			added := false
			if len(page.objects) < q.top {
				added, failed = page.add(s.shape.object(t, q.selected))
			}
			if !added { // the object does not fit, so there is a next page
				next = last
				return false
			}
		}
		last = at
		if looked == maxScanned {
			next = last
			return false
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return page.objects, next, err
}

// sorted returns a page in the order of a property. The page's cursor consists of the property's value in
// the last object and of that object's cursor in the source.
func sorted[T any](tx store.Tx, q *query, s source[T], cursor string) (found []json.RawMessage, next string, err error) {
	type row struct {
		key, cursor string
		t           T
	}
	var rows []row
	err = s.walk(tx, q, "", func(t T, at string) bool {
		if matches(q, s.shape, t) {
			key, _ := s.shape.value(t, q.orderBy).(string)
			rows = append(rows, row{arm.Fold(key), at, t})
		}
		return len(rows) <= maxSorted
	})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > maxSorted {
		return nil, "", errUnsupported("$orderby is not supported for more than %d objects. Use $filter to ask for fewer.", maxSorted)
	}
	order := func(a, b row) int {
		o := cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.cursor, b.cursor))
		if q.down {
			return -o
		}
		return o
	}
	slices.SortFunc(rows, order)
	if key, at, resumed := strings.Cut(cursor, "\x00"); resumed {
		rows = slices.DeleteFunc(rows, func(r row) bool { return order(r, row{key: key, cursor: at}) <= 0 })
	}
	page := encoded{objects: []json.RawMessage{}}
	for i, r := range rows {
		added := false
		if i < q.top {
			if added, err = page.add(s.shape.object(r.t, q.selected)); err != nil {
				return nil, "", err
			}
		}
		if !added {
			return page.objects, rows[i-1].key + "\x00" + rows[i-1].cursor, nil
		}
	}
	return page.objects, "", nil
}

func count[T any](tx store.Tx, q *query, s source[T]) (n int, err error) {
	looked := 0
	err = s.walk(tx, q, "", func(t T, _ string) bool {
		looked++
		if matches(q, s.shape, t) {
			n++
		}
		return looked <= maxCounted
	})
	if looked > maxCounted {
		return 0, errUnsupported("$count is not supported for more than %d objects.", maxCounted)
	}
	return n, err
}

// countResponse serves …/$count.
func countResponse[T any](ctx context.Context, h *Handler, req *Request, s source[T]) (*Response, error) {
	if !arm.SameName(req.HTTP.Header.Get("ConsistencyLevel"), "eventual") {
		return nil, errBadRequest("$count is not currently supported without the header 'ConsistencyLevel: eventual'.")
	}
	q, err := options(req, listOptions)
	if err != nil {
		return nil, err
	}
	if err := fits(q, s.shape); err != nil {
		return nil, err
	}
	total := 0
	err = h.Store.View(ctx, func(tx store.Tx) (err error) {
		total, err = count(tx, q, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusOK, Text: strconv.Itoa(total)}, nil
}

// entityResponse is a 200 response with one object.
func entityResponse[T any](req *Request, s *schema[T], t T) (*Response, error) {
	q, err := options(req, entityOptions)
	if err != nil {
		return nil, err
	}
	if err := fits(q, s); err != nil {
		return nil, err
	}
	body := s.object(t, q.selected).prefixed(property{"@odata.context", req.context(s.set, q, true)})
	return &Response{Status: http.StatusOK, Body: body}, nil
}

// createdResponse is a 201 response with the new object. Its Location has the form that Graph's responses
// have, which is not a URL of the API.
func createdResponse[T any](req *Request, s *schema[T], t T, id string) *Response {
	set, class := s.set, ""
	if s.class != "" {
		set, class = "directoryObjects", "/Microsoft.DirectoryServices."+s.class
	}
	_, last, _ := cutLast(set)
	return &Response{
		Status: http.StatusCreated,
		Body:   s.object(t, nil).prefixed(property{"@odata.context", req.context(s.set, nil, true)}),
		Header: http.Header{"Location": {req.Origin + "/v2/" + req.Caller.tenant + "/" + last + "/" + id + class}},
	}
}

// listByID returns the after function of a source whose list function pages by object id.
func listByID[T any](list func(tx store.Tx, after string, limit int) ([]T, error), cursor func(T) string) func(store.Tx, string, int) ([]T, string, error) {
	return func(tx store.Tx, after string, limit int) ([]T, string, error) {
		found, err := list(tx, after, limit)
		if err != nil || len(found) < limit {
			return found, "", err
		}
		return found, cursor(found[len(found)-1]), nil
	}
}
