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

// maxPooled is the capacity, in bytes, above which a buffer is not reused, so that one large answer does not
// stay in memory.
const maxPooled = 64 << 10

// WriteJSON answers with v as JSON, with its length, and without HTML escapes, which clients would show to
// people. When v cannot be encoded it returns an error and has written nothing, so that the caller can
// still answer. A failure to send is not reported: the client is gone, and the request's event has the
// number of bytes that were sent.
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

// buffered is the shortest body for which net/http does not set Content-Length by itself.
const buffered = 2048

// WriteBody answers with a body that is encoded already, as JSON if no Content-Type is set. A caller that
// has not read too many answers gets 429 instead, in the form of the API.
func WriteBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	if h["Content-Type"] == nil {
		contentTypeJSON.Set(h)
	}
	if len(body) >= buffered {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	if r, ours := w.(*response); ours {
		r.send(status, body)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
