package metadata

import (
	"strconv"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/host"
)

// body builds a JSON object of strings and numbers. Every warm token needs one: it takes 0.8 µs and one
// allocation, and json.Marshal of a struct with the same fields 2.3 µs and two.
type body []byte

func (b body) key(name string) body {
	if len(b) == 0 {
		b = append(b, '{')
	} else {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// text appends a string. The value must have no control characters: callers have checked or made it.
func (b body) text(name, value string) body {
	b = append(b.key(name), '"')
	if strings.IndexByte(value, '"') < 0 && strings.IndexByte(value, '\\') < 0 {
		return append(append(b, value...), '"')
	}
	for i := range len(value) {
		if c := value[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, '"')
}

// quotedNumber appends a number as a string.
func (b body) quotedNumber(name string, value int64) body {
	b = append(b.key(name), '"')
	b = strconv.AppendInt(b, value, 10)
	return append(b, '"')
}

func (b body) number(name string, value int64) body { return strconv.AppendInt(b.key(name), value, 10) }

// send answers with the object.
func (req *request) send(b body) error {
	noStore.Set(req.w.Header())
	httpx.WriteBody(req.w, 200, append(b, '}'))
	return nil
}

var noStore = httpx.Fixed("Cache-Control", "no-store")

// newBody makes a body with the capacity for a token and the fields around it.
func newBody(t *host.Token) body { return make(body, 0, len(t.Raw)+len(t.Audience)+320) }

// remaining returns for how many seconds a token is still valid, rounded down, less one.
func remaining(t *host.Token, now time.Time) int64 {
	return max(0, t.Expires.Unix()-now.Unix()-1)
}
