package httpx

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net/http"
	"time"
)

// Timeouts and limits of every listener. A client that is slower than these is cut off, so that
// idle or trickling connections cannot use up the server.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 90 * time.Second // longer than the profiles that the ops listener takes by default
	idleTimeout       = 2 * time.Minute
	maxStreams        = 100            // requests at once on one connection of HTTP/2
	maxHeaderBytes    = 2 * MaxHeaders // what is above MaxHeaders is answered by the face, what is above this by net/http
)

// Server is the one place where an http.Server is made.
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

// errorLog takes what net/http has to say. What any passer-by can cause, such as a failed
// handshake, is for debugging only; a failing listener is worth a warning.
type errorLog struct{ log *slog.Logger }

func (w errorLog) Write(p []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(p, []byte("Accept error")) {
		level = slog.LevelWarn
	}
	w.log.Log(context.Background(), level, "http server", "message", string(bytes.TrimSpace(p)))
	return len(p), nil
}
