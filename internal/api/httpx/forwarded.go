package httpx

import (
	"errors"
	"strings"
)

var errForwarded = errors.New("the Forwarded header is malformed")

// splitForwarded returns the "for" parameter of each element of Forwarded headers (RFC 7239, 4), the client's
// first. An element without "for" gives an empty text.
func splitForwarded(values []string) (hops []string, err error) {
	for _, value := range values {
		p := forwardedParser{rest: value}
		for more := true; more; {
			var hop string
			var empty bool
			if hop, empty, more, err = p.element(); err != nil {
				return nil, err
			}
			if !empty {
				hops = append(hops, hop)
			}
		}
	}
	return hops, nil
}

// forwardedParser reads one header from its beginning to its end. It cannot be read from the end,
// because quoted values may have any character in them.
type forwardedParser struct{ rest string }

// element reads an element up to the next comma or the end of the header. It reports whether the element has
// no pairs at all, and whether another element follows.
func (p *forwardedParser) element() (hop string, empty, more bool, err error) {
	empty = true
	seen := false
	for {
		p.space()
		if p.rest != "" && p.rest[0] != ';' && p.rest[0] != ',' {
			name, value, err := p.pair()
			if err != nil {
				return "", false, false, err
			}
			empty = false
			if isFor(name) {
				if seen {
					return "", false, false, errForwarded
				}
				hop, seen = value, true
			}
			p.space()
		}
		if p.rest == "" {
			return hop, empty, false, nil
		}
		separator := p.rest[0]
		p.rest = p.rest[1:]
		switch separator {
		case ';':
		case ',':
			return hop, empty, true, nil
		default:
			return "", false, false, errForwarded
		}
	}
}

// pair reads a name, "=" and a value, which is a token or a quoted string.
func (p *forwardedParser) pair() (name, value string, err error) {
	name = p.token()
	if name == "" || !strings.HasPrefix(p.rest, "=") {
		return "", "", errForwarded
	}
	p.rest = p.rest[1:]
	if strings.HasPrefix(p.rest, `"`) {
		value, err = p.quoted()
		return name, value, err
	}
	if value = p.token(); value == "" {
		return "", "", errForwarded
	}
	return name, value, nil
}

// token reads a token. It also accepts colons and brackets, which RFC 7230 does not allow in tokens, because
// proxies send addresses of IPv6 without quotes.
func (p *forwardedParser) token() string {
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`,;="\(){}<>/?@`, r)
	})
	if end < 0 {
		end = len(p.rest)
	}
	token := p.rest[:end]
	p.rest = p.rest[end:]
	return token
}

// quoted reads a quoted string (RFC 9110, 5.6.4).
func (p *forwardedParser) quoted() (string, error) {
	var value strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return value.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			value.WriteByte(p.rest[i])
		case c == '\\' || c < ' ' && c != '\t' || c == 0x7f:
			return "", errForwarded
		default:
			value.WriteByte(c)
		}
	}
	return "", errForwarded
}

func (p *forwardedParser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// isFor reports whether a name is "for"; names of parameters have no case.
func isFor(name string) bool {
	return len(name) == 3 && name[0]|0x20 == 'f' && name[1]|0x20 == 'o' && name[2]|0x20 == 'r'
}
