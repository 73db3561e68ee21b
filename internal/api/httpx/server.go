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
	maxStreams        = 100            // concurrent requests on one HTTP/2 connection
	maxHeaderBytes    = 2 * MaxHeaders // larger headers are refused by net/http, headers above MaxHeaders by the Handler
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

// errorLog logs the errors of net/http. A failing listener is a warning. All other errors can be caused by any
// client, such as a failed handshake, and have the level debug.
type errorLog struct{ log *slog.Logger }

func (w errorLog) Write(p []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(p, []byte("Accept error")) {
		level = slog.LevelWarn
	}
	w.log.Log(context.Background(), level, "http server", "message", string(bytes.TrimSpace(p)))
	return len(p), nil
}
