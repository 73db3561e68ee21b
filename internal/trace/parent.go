package trace

import (
	"encoding/hex"
	"strings"
)

// TraceID identifies a trace. The zero TraceID is none.
type TraceID [16]byte

// String returns the id as 32 hexadecimal digits.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// TraceIDOf returns the trace id that has the digits of a GUID, or the zero TraceID. A request whose trace begins at
// this server uses its request id, so the id in an answer or a log line finds the trace.
func TraceIDOf(guid string) (id TraceID) {
	if raw, err := hex.DecodeString(strings.ReplaceAll(guid, "-", "")); err == nil && len(raw) == len(id) {
		copy(id[:], raw)
	}
	return id
}

// SpanID identifies a span in its trace. The zero SpanID is none.
type SpanID [8]byte

// String returns the id as 16 hexadecimal digits.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// Parent is the content of a traceparent header: the step of another program that caused the request.
type Parent struct {
	Trace   TraceID
	Span    SpanID
	Sampled bool // the other program records the trace
}

// Header is the name of the header with a Parent, in the canonical form of net/http.
const Header = "Traceparent"

// StateHeader is the name of the header with what programs before this one have added to a trace. Midas adds nothing.
const StateHeader = "Tracestate"

// maxState bounds the header tracestate, in bytes: programs should pass on at least 512 (W3C Trace Context, 3.3.1.5).
const maxState = 512

// ParseState joins the values of the header tracestate (W3C Trace Context, section 3.3). A header that is too long, or
// has other characters than visible ASCII, blanks and tabs, is dropped as a whole, and the trace goes on without it.
func ParseState(values []string) string {
	length := 2 * max(0, len(values)-1)
	for _, v := range values {
		length += len(v)
	}
	if length > maxState {
		return ""
	}
	state := strings.Trim(strings.Join(values, ", "), " \t,")
	for _, member := range strings.Split(state, ",") {
		if member = strings.Trim(member, " \t"); member == "" {
			continue
		}
		if key, value, ok := strings.Cut(member, "="); !ok || key == "" || value == "" || strings.Contains(value, "=") {
			return ""
		}
	}
	if strings.ContainsFunc(state, func(c rune) bool { return c != '\t' && (c < ' ' || c > '~') }) {
		return ""
	}
	return state
}

// headerLength is the length of a header of version 00.
const headerLength = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

// ParseParent reads the values of the header traceparent (W3C Trace Context, section 3.2). It returns false if there
// is not exactly one value or if that is invalid. Versions after 00 may have more fields, which are ignored.
func ParseParent(values []string) (p Parent, ok bool) {
	if len(values) != 1 || len(values[0]) < headerLength || len(values[0]) > 4*headerLength {
		return Parent{}, false
	}
	text := values[0]
	version, isHex := lowerHex(text[:2])
	if !isHex || version[0] == 0xff || text[2] != '-' || text[35] != '-' || text[52] != '-' {
		return Parent{}, false
	}
	if longer := len(text) > headerLength; longer && (version[0] == 0 || text[headerLength] != '-') {
		return Parent{}, false
	}
	trace, traceHex := lowerHex(text[3:35])
	span, spanHex := lowerHex(text[36:52])
	flags, flagsHex := lowerHex(text[53:55])
	if !traceHex || !spanHex || !flagsHex {
		return Parent{}, false
	}
	copy(p.Trace[:], trace)
	copy(p.Span[:], span)
	p.Sampled = flags[0]&1 != 0
	return p, p.Trace != TraceID{} && p.Span != SpanID{}
}

// lowerHex decodes hexadecimal digits. Capital letters are not valid in the header.
func lowerHex(text string) ([]byte, bool) {
	raw, err := hex.DecodeString(text)
	return raw, err == nil && !strings.ContainsAny(text, "ABCDEF")
}

// String returns the value of the header traceparent.
func (p Parent) String() string {
	flags := "-00"
	if p.Sampled {
		flags = "-01"
	}
	return "00-" + p.Trace.String() + "-" + p.Span.String() + flags
}
