package wire

import (
	"cmp"
	"net/http"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
)

// Condition is under which condition a resource with an etag is written: its headers If-Match and If-None-Match.
// The zero value is no condition.
type Condition struct {
	version            arm.Version
	ifMatch, noneMatch string
}

// ParseCondition reads the headers of a PUT or PATCH. It returns an error if If-None-Match is another value than
// "*", which is the only one that Microsoft.Compute takes. Types and api-versions without etags ignore the headers.
func ParseCondition(v arm.Version, typ arm.Type, header http.Header) (Condition, error) {
	c := Condition{v, strings.Join(header.Values("If-Match"), ","), strings.Join(header.Values("If-None-Match"), ",")}
	if c.ifMatch+c.noneMatch == "" || !hasETag(typ) || v.Compare(etagSince) < 0 {
		return Condition{}, nil
	}
	if c.noneMatch != "" && strings.TrimSpace(c.noneMatch) != "*" {
		return Condition{}, arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The value '%.100s' of the header If-None-Match is not supported. It must be '*'.", c.noneMatch)
	}
	return c, nil
}

// Guarded returns a change that is refused with 412 unless the stored record meets the condition.
func (c Condition) Guarded(change func(resource.Record) (resource.Record, error)) func(resource.Record) (resource.Record, error) {
	if c == (Condition{}) {
		return change
	}
	return func(old resource.Record) (resource.Record, error) {
		if err := c.check(old); err != nil {
			return old, err
		}
		return change(old)
	}
}

func (c Condition) check(old resource.Record) error {
	exists, etag := !old.Created.IsZero(), ETag(c.version, identity.Resource{Record: old})
	switch {
	case c.noneMatch != "" && exists:
		return arm.Errorf(http.StatusPreconditionFailed, codePrecondition, "The if-none-match header is '*' and the resource exists with etag %s.", etag)
	case c.ifMatch != "" && (!exists || !matches(c.ifMatch, etag)):
		return arm.Errorf(http.StatusPreconditionFailed, codePrecondition, "Etag provided in if-match header %.100s does not match etag %s of resource.", c.ifMatch, cmp.Or(etag, `""`))
	}
	return nil
}

const codePrecondition = "PreconditionFailed"

// matches reports whether a list of etags has one, with or without its quotes, or is "*".
func matches(list, etag string) bool {
	for given := range strings.SplitSeq(list, ",") {
		if given = strings.TrimSpace(given); given == "*" || given == etag || `"`+given+`"` == etag {
			return true
		}
	}
	return false
}
