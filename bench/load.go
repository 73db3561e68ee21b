package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load is a bounded run of requests over keep-alive HTTP/1.1 connections. The client does as
// little as possible, so that the server is measured: it writes prebuilt bytes and reads the answer by its
// length.
type load struct {
	addrs    []string          // of the servers, which the connections use in turn
	roots    *x509.CertPool    // nil for HTTP in clear
	pairs    []tls.Certificate // client certificates of the connections, if any
	conns    int
	requests int
	request  func(i int) []byte // the whole request, head and body
	status   string             // "200" is what every answer must be; "4" is any 4xx
}

// result of a load.
type result struct {
	perSecond float64
	p50, p99  time.Duration
	last      []byte // the body of one answer
}

func (l load) run() (result, error) {
	var (
		next      atomic.Int64
		wait      sync.WaitGroup
		latencies = make([][]time.Duration, l.conns)
		bodies    = make([][]byte, l.conns)
		errs      = make([]error, l.conns)
	)
	conns := make([]net.Conn, l.conns)
	for i := range conns {
		conn, err := l.dial(i)
		if err != nil {
			return result{}, err
		}
		defer conn.Close()
		conns[i] = conn
	}
	begin := time.Now()
	for c := range l.conns {
		wait.Go(func() {
			r := bufio.NewReaderSize(conns[c], 16<<10)
			for {
				i := int(next.Add(1)) - 1
				if i >= l.requests {
					return
				}
				start := time.Now()
				body, err := exchange(conns[c], r, l.request(i), l.status, bodies[c])
				if err != nil {
					errs[c] = fmt.Errorf("request %d: %w", i, err)
					return
				}
				bodies[c] = body
				latencies[c] = append(latencies[c], time.Since(start))
			}
		})
	}
	wait.Wait()
	took := time.Since(begin)
	if err := errors.Join(errs...); err != nil {
		return result{}, err
	}
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return result{
		perSecond: float64(len(all)) / took.Seconds(),
		p50:       all[len(all)/2], p99: all[len(all)*99/100], last: bodies[0],
	}, nil
}

func (l load) dial(i int) (net.Conn, error) {
	addr := l.addrs[i%len(l.addrs)]
	if l.roots == nil {
		return net.Dial("tcp", addr)
	}
	config := &tls.Config{RootCAs: l.roots, ServerName: "localhost", NextProtos: []string{"http/1.1"}}
	if len(l.pairs) > 0 {
		config.Certificates = l.pairs[i%len(l.pairs) : i%len(l.pairs)+1]
	}
	return tls.Dial("tcp", addr, config)
}

// exchange sends one request and reads one answer with a Content-Length into buf.
func exchange(w io.Writer, r *bufio.Reader, request []byte, status string, buf []byte) ([]byte, error) {
	if _, err := w.Write(request); err != nil {
		return nil, err
	}
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	good := len(line) > 12 && bytes.HasPrefix(line[9:12], []byte(status))
	first := string(line)
	length := 0
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return nil, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
	}
	buf = slices.Grow(buf[:0], length)[:length]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	if !good {
		return nil, fmt.Errorf("answer %q %s", first, buf)
	}
	return buf, nil
}

// get and post build requests.
func get(path, bearer string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", path, bearer)
}

func send(method, path, bearer, contentType, body string) []byte {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n", method, path, contentType, len(body))
	if bearer != "" {
		head += "Authorization: Bearer " + bearer + "\r\n"
	}
	return []byte(head + "\r\n" + body)
}
