package api

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net/http"
	"net/url"
)

// laneReader makes requests of the heads that one connection sends.
type laneReader struct {
	r      *bufio.Reader
	remote string
	state  *tls.ConnectionState
	// headers is what followed the first line of the head before, and last the request that http.ReadRequest made
	// of that head. A program sends the same with each of its requests; they share one map of headers, which nobody
	// on the lane may change.
	headers []byte
	last    *http.Request
}

// request takes the head of a request from the reader and returns what http.ReadRequest makes of it. The head is
// one that plainHead knows, in whole. Where there is no request, taken is what is not in the reader any more.
func (l *laneReader) request(head []byte) (req *http.Request, taken []byte) {
	line, headers, _ := bytes.Cut(head, []byte("\r\n"))
	if l.last != nil && bytes.Equal(headers, l.headers) {
		target := string(line[len("GET ") : len(line)-len(" HTTP/1.1")])
		if u, err := url.ParseRequestURI(target); err == nil {
			_, _ = l.r.Discard(len(head)) // all of it is there
			req = &http.Request{
				Method: http.MethodGet, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Header: l.last.Header, Body: http.NoBody, Host: l.last.Host, RequestURI: target,
			}
			req.RemoteAddr, req.TLS = l.remote, l.state
			return req, nil
		}
	}
	head = bytes.Clone(head) // reading goes over it
	l.headers, l.last = append(l.headers[:0], headers...), nil
	req, err := http.ReadRequest(l.r)
	if err != nil {
		return nil, head
	}
	req.RemoteAddr, req.TLS = l.remote, l.state
	l.last = req
	return req, nil
}
