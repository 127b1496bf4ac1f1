package api

import (
	"bytes"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"
)

// headRoom is what is kept free in front of a body for the head of its answer, in bytes. Heads have about half
// of it.
const headRoom = 2 << 10

// laneWriter is the http.ResponseWriter of one connection in the lane, for one request after the other. It
// keeps an answer until the handler is done, and writes it in one piece.
type laneWriter struct {
	conn   net.Conn
	header http.Header
	status int
	head   bytes.Buffer
	out    []byte // headRoom, then the body
}

// Header implements http.ResponseWriter.
func (w *laneWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *laneWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *laneWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.out = append(w.out, p...)
	return len(p), nil
}

// SetWriteDeadline is for http.ResponseController.
func (w *laneWriter) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

// answer has a request answered. After false the connection is of no more use.
func (w *laneWriter) answer(s *Server, r *http.Request) (ok bool) {
	buffer := buffers.Get().(*[]byte)
	clear(w.header)
	w.status, w.out = 0, slices.Grow((*buffer)[:0], headRoom)[:headRoom]
	defer func() {
		*buffer, w.out = w.out, nil
		giveBuffer(buffer)
		// What a handler breaks off has no proper end; anything else was met by recovering.
		if v := recover(); v != nil {
			ok = false
			if v != http.ErrAbortHandler {
				s.c.Log.Error("a connection broke", "panic", v, "stack", string(debug.Stack()))
			}
		}
	}()
	s.ServeHTTP(w, r)
	return w.send()
}

// send writes the answer.
func (w *laneWriter) send() bool {
	w.WriteHeader(http.StatusOK)
	body := w.out[headRoom:]
	if said := w.header["Content-Length"]; said == nil {
		w.header["Content-Length"] = []string{strconv.Itoa(len(body))}
	} else if said[0] != strconv.Itoa(len(body)) {
		return false
	}
	if w.header["Content-Type"] == nil {
		w.header["Content-Type"] = []string{http.DetectContentType(body)}
	}
	w.header["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	w.head.Reset()
	w.head.WriteString("HTTP/1.1 ")
	w.head.WriteString(strconv.Itoa(w.status))
	w.head.WriteByte(' ')
	w.head.WriteString(http.StatusText(w.status))
	w.head.WriteString("\r\n")
	_ = w.header.Write(&w.head) // a buffer takes everything
	w.head.WriteString("\r\n")
	if w.head.Len() > headRoom {
		w.out = slices.Concat(w.head.Bytes(), body)
		_, err := w.conn.Write(w.out)
		return err == nil
	}
	from := headRoom - w.head.Len()
	copy(w.out[from:], w.head.Bytes())
	_, err := w.conn.Write(w.out[from:])
	return err == nil
}
