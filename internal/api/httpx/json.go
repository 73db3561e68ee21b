package httpx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// ContentTypeJSON is the content type of every JSON answer.
const ContentTypeJSON = "application/json; charset=utf-8"

var contentTypeJSON = Fixed("Content-Type", ContentTypeJSON)

// buffers reuses the memory of encoded answers.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled is the largest capacity, in bytes, of a buffer that is reused. Larger ones are left to the garbage
// collector, so that one large answer does not stay in memory.
const maxPooled = 64 << 10

// WriteJSON answers with v as JSON. It does not escape <, > and &, because clients show error messages to
// their users as they are. If v cannot be encoded, it returns an error and has written nothing, so that the
// caller can still answer. It does not report a failure to send: the client is gone, and the request's event
// has the number of bytes that were sent.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		buf.Reset()
		return fmt.Errorf("encode answer: %w", err)
	}
	WriteBody(w, status, bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	return nil
}

// minWithLength is the length of the shortest body for which net/http may not set Content-Length by itself.
const minWithLength = 2048

// WriteBody answers with a body that is encoded already. The Content-Type is JSON unless one is set. If the
// caller has too many unread answers, WriteBody answers 429 in the form of the API instead.
func WriteBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	r, ours := w.(*response)
	if ours && r.event.lab != nil && r.event.lab.substitute != nil {
		body = r.event.lab.substitute
	}
	if h["Content-Type"] == nil {
		contentTypeJSON.Set(h)
	}
	if len(body) >= minWithLength {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	if ours {
		r.send(status, body)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
