// Package trace makes OpenTelemetry traces: which steps a request or a job had, and how long each took. It sends them
// to a collector with OTLP over HTTP, encoded as protobuf. Without a Tracer nothing is recorded, and the functions of
// this package do nothing.
//
// A Span is one step. The context carries the current span, so that a step that begins below it becomes its child. A
// trace begins with Tracer.Serve for a request, and with Pass or Start in a context of Tracer.Job.
//
// Spans have no texts of errors and no queries of URLs, because these can contain secrets. What failed is one of a few
// words (error.type), and the log line with the same trace_id has the rest.
//
// The package is not OpenTelemetry's SDK because that takes 13 s more to compile on two cores (docs/dependencies.md).
package trace
