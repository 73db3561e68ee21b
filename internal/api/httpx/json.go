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

// buffers keeps the memory of encoded answers for the next one.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled keeps one huge answer from staying in memory for good.
const maxPooled = 64 << 10

// WriteJSON answers with v as JSON: whole, with its length, and without the HTML escapes that
// clients would show to people. When v cannot be encoded it returns an error and has written
// nothing, so that the caller can still answer. A failure to send is not reported: the client is
// gone and the request's event shows the bytes that went out.
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

// buffered is the shortest body whose length net/http does not find out by itself.
const buffered = 2048

// WriteBody answers with a body that is JSON already. A Content-Type that is set stays. A caller who has
// too many answers to read yet gets 429 instead, in the words of the face.
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
