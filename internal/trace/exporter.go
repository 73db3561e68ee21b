package trace

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// exporter sends batches to the collector. Only the goroutine of the Tracer uses it.
type exporter struct {
	cfg    Config
	client *http.Client
	log    *slog.Logger
	failed time.Time // when a failure was logged; zero while the collector answers
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// logEvery is the least time between two log lines about a collector that does not answer.
const logEvery = 10 * time.Minute

func newExporter(cfg Config, log *slog.Logger) (exporter, error) {
	roots, err := cfg.roots()
	if err != nil {
		return exporter{}, err
	}
	if _, err := cfg.headers(); err != nil {
		return exporter{}, err
	}
	return exporter{cfg: cfg, log: log, client: &http.Client{
		Timeout:       requestTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // headers have credentials
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, ForceAttemptHTTP2: true,
			IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 1, MaxResponseHeaderBytes: maxAnswer, DisableCompression: true,
		},
	}}, nil
}

// statusError means that the collector refused a batch.
type statusError struct {
	status int
	after  time.Duration // that it asks to wait; 0 if it does not say
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the collector answered with status %d", e.status)
}

// retryAfter returns how long to wait before a batch is sent again, and whether it may be sent again (OTLP,
// "Retryable Response Codes").
func retryAfter(err error, attempt int) (time.Duration, bool) {
	pause := time.Second << (attempt - 1)
	if refused := new(statusError); errors.As(err, &refused) {
		switch refused.status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return min(max(pause, refused.after), longestPause), true
		}
		return 0, false
	}
	return pause, true
}

// advised returns how long the header Retry-After asks to wait (RFC 9110, 10.2.3): a number of seconds, or a date, which
// is compared with the collector's own clock if the answer has its time. It is 0 for a header that is missing, in the past or
// cannot be read.
func advised(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 16); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if own, err := http.ParseTime(header.Get("Date")); err == nil {
		now = own
	}
	return max(0, at.Sub(now))
}

// export sends a batch once, and returns how many of its spans the collector rejected.
func (e *exporter) export(ctx context.Context, body []byte) (rejected uint64, err error) {
	rejected, err = e.post(ctx, body)
	switch now := time.Now(); {
	case err == nil && !e.failed.IsZero():
		e.failed = time.Time{}
		e.log.InfoContext(ctx, "the collector takes traces again")
	case err != nil && (e.failed.IsZero() || now.Sub(e.failed) >= logEvery):
		e.failed = now
		e.log.WarnContext(ctx, "traces cannot be sent to the collector; spans are lost, everything else goes on", "cause", err)
	}
	return rejected, err
}

func (e *exporter) post(ctx context.Context, body []byte) (rejected uint64, err error) {
	headers, err := e.cfg.headers()
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.cfg.url(), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for _, h := range headers {
		if req.Header.Set(h.Name, h.Value); http.CanonicalHeaderKey(h.Name) == "Host" {
			req.Host = h.Value // net/http takes it from there
		}
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "midas")
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return 0, &statusError{resp.StatusCode, advised(resp.Header, time.Now())}
	}
	if err != nil {
		return 0, fmt.Errorf("read the collector's answer: %w", err)
	}
	return rejectedSpans(answer), nil
}

// rejectedSpans reads partial_success.rejected_spans of an ExportTraceServiceResponse. An answer that cannot be read
// rejects nothing.
func rejectedSpans(answer []byte) uint64 {
	partial, _ := protowire.ConsumeBytes(field(answer, 1))
	n, _ := protowire.ConsumeVarint(field(partial, 1))
	return uint64(max(0, int64(n))) // the field is an int64
}

// field returns the message from the value of its first field with a number on, or nil.
func field(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil
		}
		if message = message[size:]; n == number {
			return message
		}
		if size = protowire.ConsumeFieldValue(n, kind, message); size < 0 {
			return nil
		}
		message = message[size:]
	}
	return nil
}
