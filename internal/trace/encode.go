package trace

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// schema is the version of the semantic conventions that the attributes follow.
const schema = "https://opentelemetry.io/schemas/1.37.0"

// encode returns an ExportTraceServiceRequest (opentelemetry/proto/collector/trace/v1) with the spans of one process.
// The numbers of the fields are those of the .proto files of OTLP 1.
func encode(resource []Field, version string, spans []*Span) []byte {
	var about []byte
	for _, f := range resource {
		if f.Value != "" {
			about = message(about, 1, attribute(String(f.Name, f.Value))) // Resource.attributes
		}
	}
	scope := text(nil, 1, "midas") // InstrumentationScope.name
	scope = text(scope, 2, version)
	all := message(nil, 1, scope) // ScopeSpans.scope
	for _, s := range spans {
		all = message(all, 2, s.encode()) // ScopeSpans.spans
	}
	all = text(all, 3, schema)         // ScopeSpans.schema_url
	process := message(nil, 1, about)  // ResourceSpans.resource
	process = message(process, 2, all) // ResourceSpans.scope_spans
	process = text(process, 3, schema) // ResourceSpans.schema_url
	return message(nil, 1, process)    // ExportTraceServiceRequest.resource_spans
}

// The numbers of a Span's fields, and the code of a failed span.
const (
	spanTrace, spanID, spanState, spanParent, spanName, spanKind = 1, 2, 3, 4, 5, 6
	spanStart, spanEnd, spanAttributes                           = 7, 8, 9
	spanLinks, spanStatus, spanFlags                             = 13, 15, 16

	statusFailed = 2
)

// encode returns the Span message.
func (s *Span) encode() []byte {
	b := message(nil, spanTrace, s.trace[:])
	b = message(b, spanID, s.id[:])
	b = text(b, spanState, s.state)
	if s.parent != (SpanID{}) {
		b = message(b, spanParent, s.parent[:])
	}
	b = text(b, spanName, clip(s.name))
	b = number(b, spanKind, uint64(s.kind))
	b = instant(b, spanStart, s.start)
	b = instant(b, spanEnd, s.end)
	for _, a := range s.attrs {
		b = message(b, spanAttributes, attribute(a))
	}
	if s.failure != "" {
		b = message(b, spanAttributes, attribute(String("error.type", s.failure)))
		b = message(b, spanStatus, number(nil, 3, statusFailed)) // Status.code
	}
	if s.link.Trace != (TraceID{}) {
		b = message(b, spanLinks, message(message(nil, 1, s.link.Trace[:]), 2, s.link.Span[:]))
	}
	b = protowire.AppendTag(b, spanFlags, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, s.flags())
}

// The bits of Span.flags (enum SpanFlags): the trace is recorded; it is known, and true, that the parent is a span of
// another process.
const flagSampled, flagKnowsRemote, flagRemote = 1, 0x100, 0x200

func (s *Span) flags() uint32 {
	if s.kind == server && s.parent != (SpanID{}) {
		return flagSampled | flagKnowsRemote | flagRemote
	}
	return flagSampled | flagKnowsRemote
}

// attribute returns a KeyValue message.
func attribute(a Attr) []byte {
	value := number(nil, 3, uint64(a.number)) // AnyValue.int_value
	if a.isText {
		value = message(nil, 1, []byte(a.text)) // AnyValue.string_value, which can be empty
	}
	return message(text(nil, 1, a.key), 2, value)
}

func message(b []byte, n protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), value)
}

func text(b []byte, n protowire.Number, value string) []byte {
	if value == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), value)
}

func number(b []byte, n protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), value)
}

func instant(b []byte, n protowire.Number, at time.Time) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), uint64(at.UnixNano()))
}
