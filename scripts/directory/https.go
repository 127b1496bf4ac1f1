package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// web is a real controller in a process of its own, asked through its API: the way that the command line and
// the page take.
type web struct {
	cmd  *exec.Cmd
	dir  string
	addr string
	base string // of the API
	done chan error
}

func (w *web) Name() string { return "HTTPS" }

// startWeb starts the program on a data folder and returns when it answers.
func startWeb(ctx context.Context, program, dir string) (*web, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "skerry.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "role: controller\nname: bench\ndata: %s\nlisten: %s\n", dir, addr), 0o600); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	w := &web{dir: dir, addr: addr, base: "https://" + addr + "/api/v1", done: make(chan error, 1)}
	w.cmd = exec.Command(program, "serve", "--config", config)
	w.cmd.Stdout, w.cmd.Stderr = log, log
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { w.done <- w.cmd.Wait() }()
	c := w.client()
	defer c.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		_, err := get(ctx, c, w.base+"/node")
		if err == nil {
			return w, nil
		}
		select {
		case end := <-w.done:
			w.done <- end
			return nil, fmt.Errorf("the controller ended by itself (%v); its log is %s", end, filepath.Join(dir, "log"))
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("the controller does not answer: %w; its log is %s", err, filepath.Join(dir, "log")), w.close())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// client makes a client with a connection of its own that stays open. The program's certificate is made
// anew in each folder; that it is checked costs something once for a connection, and nothing later.
func (w *web) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 1, MaxConnsPerHost: 1, DisableCompression: true,
	}}
}

func get(ctx context.Context, c *http.Client, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, resp.Status, clip(string(b), 400))
	}
	return b, err
}

func (w *web) close() error {
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.done:
		return nil
	case <-time.After(time.Minute):
		_ = w.cmd.Process.Kill()
		<-w.done
		return errors.New("the controller did not stop within a minute of SIGTERM and was killed")
	}
}

// Session opens a connection and keeps it.
func (w *web) Session(ctx context.Context) (Session, error) {
	c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", w.addr) // see client
	if err != nil {
		return nil, err
	}
	return &webSession{w: w, c: c, r: bufio.NewReaderSize(c, 4<<10), stop: context.AfterFunc(ctx, func() { _ = c.Close() })}, nil
}

// library is the same controller, asked by Go's own client.
type library struct{ *web }

func (library) Name() string { return "net/http" }

// Session makes a client of its own.
func (l library) Session(context.Context) (Session, error) {
	return &librarySession{w: l.web, c: l.client()}, nil
}

// Writer: writes come over the link, not over the API.
func (w *web) Writer(context.Context) (Writer, error) {
	return nil, errors.New("the API takes no reports of hosts")
}

// webSession writes requests and reads answers on the goroutine that asks. It is a client of HTTP/1.1 that knows
// no more of it than it needs: of the head of an answer it reads the status and the length of the body, and the
// body into a buffer that is kept. What comes is received and decrypted to its last byte.
type webSession struct {
	w       *web
	c       net.Conn
	r       *bufio.Reader
	request []byte
	body    []byte
	stop    func() bool
}

func (s *webSession) Close() {
	s.stop()
	_ = s.c.Close()
}

// Query reads the whole body.
func (s *webSession) Query(_ context.Context, q fleet.Query) (Answer, error) {
	b := appendPath(append(s.request[:0], "GET /api/v1"...), q)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), s.w.addr...)
	s.request = append(b, "\r\nAuthorization: Bearer "+token+"\r\n\r\n"...)
	if _, err := s.c.Write(s.request); err != nil {
		return Answer{}, err
	}
	status, size, err := s.head()
	if err == nil {
		err = s.read(size)
	}
	if err != nil {
		return Answer{}, err
	}
	if status != "200" {
		return Answer{}, fmt.Errorf("%+v: %s: %s", q, status, clip(string(s.body), 400))
	}
	return Answer{Bytes: len(s.body), Lines: func() ([]string, error) { return webLines(q, s.body) }}, nil
}

// read reads the body, of so many bytes or in chunks.
func (s *webSession) read(size int) error {
	if size != chunked {
		s.body = slices.Grow(s.body[:0], size)[:size]
		_, err := io.ReadFull(s.r, s.body)
		return err
	}
	body := bytes.NewBuffer(s.body[:0])
	if _, err := body.ReadFrom(httputil.NewChunkedReader(s.r)); err != nil {
		return err
	}
	s.body = body.Bytes()
	_, err := s.r.Discard(len("\r\n")) // there are no trailers
	return err
}

// chunked is the size of a body that comes in chunks.
const chunked = -2

// head reads the head of an answer: its status and how long the body is, in bytes.
func (s *webSession) head() (status string, size int, err error) {
	line, err := s.r.ReadSlice('\n')
	if err != nil {
		return "", 0, err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) || len(line) < 12 {
		return "", 0, fmt.Errorf("no answer of HTTP/1.1: %q", line)
	}
	if status = "200"; string(line[9:12]) != status {
		status = string(line[9:12])
	}
	size = -1
	for {
		line, err = s.r.ReadSlice('\n')
		if err != nil {
			return "", 0, err
		}
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		if len(line) == 0 {
			break
		}
		switch name, value, _ := bytes.Cut(line, []byte(": ")); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if size, err = strconv.Atoi(string(value)); err != nil || size < 0 {
				return "", 0, fmt.Errorf("the length of an answer is %q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			if size = chunked; string(value) != "chunked" {
				return "", 0, fmt.Errorf("an answer in the form %q, which this client does not read", value)
			}
		}
	}
	if size == -1 {
		err = errors.New("an answer without its length")
	}
	return status, size, err
}

// librarySession is asked by Go's own client.
type librarySession struct {
	w    *web
	c    *http.Client
	body bytes.Buffer
}

func (s *librarySession) Close() { s.c.CloseIdleConnections() }

// Query reads the whole body.
func (s *librarySession) Query(ctx context.Context, q fleet.Query) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.w.base+path(q), nil)
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.c.Do(r)
	if err != nil {
		return Answer{}, err
	}
	return answer(q, resp, &s.body)
}

// answer reads the body to its end into a buffer that is kept; it is parsed when no clock runs.
func answer(q fleet.Query, resp *http.Response, body *bytes.Buffer) (Answer, error) {
	body.Reset()
	_, err := body.ReadFrom(resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%+v: %s: %s", q, resp.Status, clip(body.String(), 400))
	}
	return Answer{Bytes: body.Len(), Lines: func() ([]string, error) { return webLines(q, body.Bytes()) }}, err
}

// path is the request that a question becomes.
func path(q fleet.Query) string { return string(appendPath(nil, q)) }

func appendPath(b []byte, q fleet.Query) []byte {
	switch q.Op {
	case fleet.OpRollup:
		return append(b, "/sites"...)
	case fleet.OpCount:
		b = append(b, "/hosts/facets?fields=&q="...) // only the total
		return append(b, url.QueryEscape(text(q))...)
	case fleet.OpFacets:
		b = append(append(b, "/hosts/facets?fields="...), url.QueryEscape(strings.Join(facetNames, ","))...)
		b = strconv.AppendInt(append(b, "&top="...), facetTop, 10)
		return append(append(b, "&q="...), url.QueryEscape(text(q))...)
	}
	sort := order(q.Sort)
	b = append(append(b, "/hosts?q="...), url.QueryEscape(text(q))...)
	b = append(append(b, "&sort="...), url.QueryEscape(sort.String())...)
	b = strconv.AppendInt(append(b, "&limit="...), int64(q.Limit), 10)
	if q.AfterHost != "" {
		after := query.Cursor{Sort: sort, Known: true, Text: query.Fold(q.AfterHost), ID: hostID(q.AfterID)}
		b = append(append(b, "&after="...), after.String()...) // base64url: nothing to escape
	}
	return b
}

func webLines(q fleet.Query, b []byte) ([]string, error) {
	switch q.Op {
	case fleet.OpPage:
		var v schema.Hosts
		if err := json.Unmarshal(b, &v); err != nil {
			return nil, err
		}
		var lines []string
		for _, h := range v.Hosts {
			id, err := model.ParseHostID(h.ID)
			if err != nil {
				return nil, err
			}
			seen := int64(0)
			if h.LastSeen != nil {
				seen = h.LastSeen.UnixMilli()
			}
			lines = append(lines, rowLine(id, h.Hostname, model.HostStatus(h.Status), seen, h.Exposure.Critical, h.Exposure.High, len(h.Tags)))
		}
		return lines, nil
	case fleet.OpCount, fleet.OpFacets:
		var v schema.Facets
		if err := json.Unmarshal(b, &v); err != nil {
			return nil, err
		}
		if q.Op == fleet.OpCount {
			return []string{countLine(v.Total)}, nil
		}
		facets := map[string]facet{}
		for _, f := range v.Facets {
			x := facet{distinct: f.Distinct, none: f.None}
			for _, c := range f.Values {
				x.values = append(x.values, facetValue{c.Value, c.N})
			}
			facets[f.Field] = x
		}
		return facetLines(v.Total, facets), nil
	}
	var v []schema.Site
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	sums := make([]siteSums, len(v))
	for i, s := range v {
		id, err := model.ParseSiteID(s.ID)
		if err != nil {
			return nil, err
		}
		sums[i] = siteSums{
			site: id, hosts: s.Hosts, up: s.HostsBy["up"], late: s.HostsBy["late"], down: s.HostsBy["down"], unknown: s.HostsBy["unknown"],
			critical: int64(s.Sums.Exposure.Critical), high: int64(s.Sums.Exposure.High), reboot: s.Sums.Reboot, updates: s.Sums.Updates,
		}
		if mean := s.Sums.Compliance; mean != nil { // every host of the fleet has one
			sums[i].compliance, sums[i].complianceN = int64(math.Round(*mean*10*float64(s.Hosts))), s.Hosts
		}
	}
	return rollupAnswer(sums).Lines()
}
