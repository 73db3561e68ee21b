package httpx

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net/http"
	"time"
)

// Timeouts and limits of every listener. The connection of a slower client is closed, so that idle and slow
// connections cannot exhaust the server.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 90 * time.Second // longer than the profiles that the ops listener takes by default
	idleTimeout       = 2 * time.Minute
	maxStreams        = 100            // requests at once on one connection of HTTP/2
	maxHeaderBytes    = 2 * MaxHeaders // what is above MaxHeaders is answered by the face, what is above this by net/http
)

// Server makes the http.Server of every listener.
func Server(h http.Handler, l *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ErrorLog:          log.New(errorLog{l}, "", 0),
	}
}

// errorLog logs the errors of net/http. Errors that any client can cause, such as a failed handshake, have the
// level debug; a failing listener is a warning.
type errorLog struct{ log *slog.Logger }

func (w errorLog) Write(p []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(p, []byte("Accept error")) {
		level = slog.LevelWarn
	}
	w.log.Log(context.Background(), level, "http server", "message", string(bytes.TrimSpace(p)))
	return len(p), nil
}
