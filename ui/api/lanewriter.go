package api

import (
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// headRoom is what is kept free in front of a body for the head of its answer, in bytes. Heads have about half
// of it.
const headRoom = 2 << 10

// laneWriter is the http.ResponseWriter of one connection in the lane, for one request after the other. It
// keeps an answer until the handler is done, and writes it in one piece.
type laneWriter struct {
	conn   net.Conn
	gather gatherer // below conn; nil: there is none
	header http.Header
	status int
	head   []byte
	names  []string  // of the fields of the answer before, in order
	due    time.Time // when a write has to be done
	date   []byte    // of second
	second int64
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

// SetWriteDeadline is for http.ResponseController. It may be early by slack.
func (w *laneWriter) SetWriteDeadline(t time.Time) error {
	if early := t.Sub(w.due); early >= 0 && early < slack {
		return nil
	}
	w.due = t
	return w.conn.SetWriteDeadline(t)
}

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

// gatherer is a connection that sends in one piece what is written between the two.
type gatherer interface {
	Hold()
	Release() error
}

// take has the body appended to what is kept, which spares a copy of it.
func (w *laneWriter) take(write func([]byte) []byte) {
	w.WriteHeader(http.StatusOK)
	w.out = write(w.out)
}

// send writes the answer.
func (w *laneWriter) send() bool {
	w.WriteHeader(http.StatusOK)
	body := w.out[headRoom:]
	if said := w.header["Content-Length"]; said != nil && said[0] != strconv.Itoa(len(body)) {
		return false
	}
	if w.header["Content-Type"] == nil {
		w.header["Content-Type"] = []string{http.DetectContentType(body)}
	}
	w.writeHead(len(body))
	if len(w.head) > headRoom {
		w.out = slices.Concat(w.head, body)
		return w.write(w.out)
	}
	from := headRoom - len(w.head)
	copy(w.out[from:], w.head)
	return w.write(w.out[from:])
}

func (w *laneWriter) write(b []byte) bool {
	if w.gather == nil || len(b) <= maxRecord {
		_, err := w.conn.Write(b)
		return err == nil
	}
	w.gather.Hold()
	_, err := w.conn.Write(b)
	return w.gather.Release() == nil && err == nil
}

// maxRecord is how much one record of TLS holds, in bytes.
const maxRecord = 16 << 10

// writeHead makes the head of the answer, its fields in the order of their names, for a body of so many bytes.
func (w *laneWriter) writeHead(size int) {
	b := append(w.head[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(append(append(b, ' '), http.StatusText(w.status)...), "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(size), 10)
	b = append(append(b, "\r\nDate: "...), w.now()...)
	if !w.sameNames() {
		w.names = w.names[:0]
		for name := range w.header {
			if name != "Content-Length" && name != "Date" {
				w.names = append(w.names, name)
			}
		}
		slices.Sort(w.names)
	}
	for _, name := range w.names {
		for _, value := range w.header[name] {
			b = appendField(append(append(append(b, "\r\n"...), name...), ": "...), value)
		}
	}
	w.head = append(b, "\r\n\r\n"...)
}

// sameNames reports whether the answer has the fields that the one before had.
func (w *laneWriter) sameNames() bool {
	n := len(w.names)
	for _, name := range []string{"Content-Length", "Date"} {
		if w.header[name] != nil {
			n++
		}
	}
	if n != len(w.header) {
		return false
	}
	for _, name := range w.names {
		if w.header[name] == nil {
			return false
		}
	}
	return true
}

// appendField appends the value of a field, without what would begin another field.
func appendField(b []byte, value string) []byte {
	from := len(b)
	b = append(b, value...)
	if strings.IndexByte(value, '\r') < 0 && strings.IndexByte(value, '\n') < 0 {
		return b
	}
	for i := from; i < len(b); i++ {
		if b[i] == '\r' || b[i] == '\n' {
			b[i] = ' '
		}
	}
	return b
}

// now is the date of an answer, which is written once in a second.
func (w *laneWriter) now() []byte {
	now := time.Now()
	if s := now.Unix(); s != w.second {
		w.second = s
		w.date = now.UTC().AppendFormat(w.date[:0], http.TimeFormat)
	}
	return w.date
}
