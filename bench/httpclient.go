package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// httpConn is one keep-alive connection of a client that costs little, so that
// what is measured is mostly the server.
type httpConn struct {
	net.Conn
	in *bufio.Reader
}

func dialHTTP(addr string) (*httpConn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &httpConn{c, bufio.NewReaderSize(c, 16<<10)}, nil
}

// request is the bytes of a request.
func request(method, path, body string) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: bench\r\nAccept: application/vnd.schemaregistry.v1+json\r\n", method, path)
	if body != "" {
		b = fmt.Appendf(b, "Content-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: %d\r\n", len(body))
	}
	return append(append(b, "\r\n"...), body...)
}

var contentLength = []byte("Content-Length: ")

// do sends a request and reads the answer. The body is copied if want is not nil.
func (c *httpConn) do(request []byte, want *[]byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	status, length := 0, -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch {
		case status == 0:
			if len(line) < 12 {
				return fmt.Errorf("status line %q", line)
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return err
			}
			continue
		case bytes.HasPrefix(line, contentLength):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):]))); err != nil {
				return err
			}
			continue
		case len(line) > 2:
			continue
		}
		break
	}
	if length < 0 {
		return errors.New("an answer without Content-Length")
	}
	if want == nil && status == 200 {
		_, err := c.in.Discard(length)
		return err
	}
	body := make([]byte, length)
	for n := 0; n < length; {
		k, err := c.in.Read(body[n:])
		if err != nil {
			return err
		}
		n += k
	}
	if status != 200 {
		return fmt.Errorf("status %d: %s", status, body)
	}
	*want = body
	return nil
}

// httpLoad is so many connections that ask at once.
type httpLoad []*httpConn

func newHTTPLoad(addr string, connections int) (httpLoad, error) {
	l := make(httpLoad, connections)
	for i := range l {
		c, err := dialHTTP(addr)
		if err != nil {
			l.close()
			return nil, err
		}
		l[i] = c
	}
	return l, nil
}

func (l httpLoad) close() {
	for _, c := range l {
		if c != nil {
			c.Close()
		}
	}
}

// run sends n requests over all connections; next makes the i-th.
func (l httpLoad) run(n int, next func(i int) []byte) error {
	errs := make([]error, len(l))
	var wg sync.WaitGroup
	for w, c := range l {
		wg.Go(func() {
			for i := w; i < n; i += len(l) {
				if errs[w] = c.do(next(i), nil); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// same makes an op of one request.
func (l httpLoad) same(name string, request []byte) op {
	return op{name, func(n int) error { return l.run(n, func(int) []byte { return request }) }}
}
