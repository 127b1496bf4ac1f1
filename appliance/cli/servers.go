package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// Several servers of one group of controllers stand in one text, with commas between them. Any of them may be
// asked, and a login at one is a login at all. Who does not answer, or says that it cannot now, is passed over; a
// request that changes something has an id, under which the group carries it out once however many are asked.

// maxServers bounds the servers of one list.
const maxServers = 16

// parseServers reads servers with commas between them, each as parseServer has it.
func parseServers(s string) ([]*url.URL, error) {
	parts := strings.Split(s, ",")
	if len(parts) > maxServers {
		return nil, usagef("--server: %d servers are more than the %d that one list may have", len(parts), maxServers)
	}
	all := make([]*url.URL, 0, len(parts))
	for _, part := range parts {
		u, err := parseServer(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(x *url.URL) bool { return x.String() == u.String() }) {
			all = append(all, u)
		}
	}
	return all, nil
}

// listed is the text that parseServers reads.
func listed(servers []*url.URL) string {
	var all []string
	for _, u := range servers {
		all = append(all, u.String())
	}
	return strings.Join(all, ",")
}

// endpoint is one server that can be asked.
type endpoint struct {
	http  *http.Client
	base  string
	shown string
}

// next makes the client ask the server that comes after the one it asks now.
func (c *client) next() {
	c.rest = append(c.rest, endpoint{c.http, c.base, c.shown})
	c.http, c.base, c.shown = c.rest[0].http, c.rest[0].base, c.rest[0].shown
	c.rest = c.rest[1:]
}

// elsewhere is a failure that another server of the group may not have.
type elsewhere struct {
	error
	said    bool // the server's own word
	reached bool // what was asked may have been done
}

// Unwrap returns the cause.
func (e elsewhere) Unwrap() error { return e.error }

// send returns a good answer, whose body the caller closes, or the server's own words as an error. Where several
// servers are known, all of them are asked before it fails.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body io.Reader, typ string) (*http.Response, error) {
	if c.stale && method == http.MethodGet {
		all := url.Values{"consistency": {"stale"}}
		for name, values := range query {
			all[name] = values
		}
		query = all
	}
	key := ""
	if method != http.MethodGet {
		key = rand.Text()
	}
	out, err := newBody(body)
	if err != nil {
		return nil, err
	}
	var failed error
	reached := false
	for left := len(c.rest); ; left-- {
		resp, err := c.try(ctx, method, path, query, out.reader(), typ, key)
		if err == nil {
			c.sayAge(resp)
			return resp, nil
		}
		if reached && method == http.MethodDelete && fault.Is(err, fault.NotFound) {
			// The first attempt did it, and its answer was lost.
			return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}, nil
		}
		var e elsewhere
		if !errors.As(err, &e) {
			return nil, err
		}
		if failed == nil || e.said { // the word of a server says more than that there is none
			failed = e.error
		}
		reached = reached || e.reached
		if left == 0 || ctx.Err() != nil || !out.again() {
			return nil, failed
		}
		before := e.error
		c.next()
		if c.tell != nil {
			c.tell("note: %v; asking %s", before, c.shown)
		}
	}
}

// sayAge says how old the answer to a read of what a node has may be, unless it misses nothing.
func (c *client) sayAge(resp *http.Response) {
	age, err := strconv.ParseFloat(resp.Header.Get("Skerry-Age"), 64)
	if !c.stale || c.tell == nil || err != nil || age <= 0 || c.aged {
		return
	}
	c.aged = true
	c.tell("note: this is what the server has, as old as %s; its group may have more", aged(age))
}

// aged writes an age in seconds.
func aged(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// body is what a request sends, perhaps to several servers in turn.
type body struct {
	whole  []byte    // what can be sent again
	stream io.Reader // what can not, once some of it was read
	begun  atomic.Bool
}

func newBody(r io.Reader) (*body, error) {
	if b, ok := r.(*bytes.Reader); ok {
		raw, err := io.ReadAll(b)
		return &body{whole: raw}, err
	}
	return &body{stream: r}, nil
}

// reader is nil where there is no body. An attempt that failed may still be reading its own.
func (b *body) reader() io.Reader {
	switch {
	case b.whole != nil:
		return bytes.NewReader(b.whole)
	case b.stream == nil:
		return nil
	}
	return b
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	b.begun.Store(true)
	return b.stream.Read(p)
}

// again reports whether it can be sent once more.
func (b *body) again() bool { return !b.begun.Load() }

// dialled reports whether err came after there was a connection.
func dialled(err error) bool {
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}
