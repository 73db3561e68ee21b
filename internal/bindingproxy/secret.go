package bindingproxy

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// secret is a token. It redacts itself in logs.
type secret string

// LogValue implements slog.LogValuer.
func (secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// String implements fmt.Stringer.
func (secret) String() string { return "[redacted]" }

// signature is the part of a JWT without which it is worth nothing, in characters that no encoding changes; the whole
// text if it has none.
func (s secret) signature() string {
	if _, after, signed := strings.Cut(string(s[strings.IndexByte(string(s), '.')+1:]), "."); signed && after != "" {
		return after
	}
	return string(s)
}

// maxToken is the length of the longest token that the proxy reads, in bytes. Midas takes no longer assertions.
const maxToken = 16 << 10

// readToken reads a token from a file. Kubernetes replaces the file before the token expires, so the proxy reads it
// for each request.
func readToken(file string) (secret, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the service-account token: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err == nil && len(data) > maxToken {
		err = fmt.Errorf("it has more than %d bytes", maxToken)
	}
	token := strings.TrimSpace(string(data))
	if err == nil && token == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("read the service-account token %s: %w", file, err)
	}
	return secret(token), nil
}
