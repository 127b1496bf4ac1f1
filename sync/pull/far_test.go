package pull

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// far is a server that has one file, and does with it what a test says.
type far struct {
	*httptest.Server
	mu      sync.Mutex // guards what follows
	body    []byte
	tag     string
	asked   []*http.Request
	sent    int
	answers []http.HandlerFunc // of the next requests; then the file as it should be
}

func newFar(t *testing.T, body []byte) *far {
	t.Helper()
	f := &far{body: body, tag: `"one"`}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *far) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, r)
	var answer http.HandlerFunc
	if len(f.answers) > 0 {
		answer, f.answers = f.answers[0], f.answers[1:]
	}
	f.mu.Unlock()
	if answer == nil {
		answer = f.file
	}
	answer(w, r)
}

// file answers as a server of files does, with parts and conditions.
func (f *far) file(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	body, tag := f.body, f.tag
	f.mu.Unlock()
	w.Header().Set("ETag", tag)
	http.ServeContent(&counted{w, f}, r, "", time.Time{}, bytes.NewReader(body))
}

type counted struct {
	http.ResponseWriter
	f *far
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.f.mu.Lock()
	c.f.sent += n
	c.f.mu.Unlock()
	return n, err
}

// breakOff sends so many bytes of what the file is, and closes the connection.
func (f *far) breakOff(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.file(&cut{ResponseWriter: w, left: n}, r)
		panic(http.ErrAbortHandler)
	}
}

type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	n := min(len(b), c.left)
	c.left -= n
	if n, err := c.ResponseWriter.Write(b[:n]); err != nil || n < len(b) {
		c.ResponseWriter.(http.Flusher).Flush()
		return n, errors.Join(err, io.ErrShortWrite)
	}
	return n, nil
}

func (f *far) next(answers ...http.HandlerFunc) { f.mu.Lock(); f.answers = answers; f.mu.Unlock() }

func status(code int, head ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(head); i += 2 {
			w.Header().Set(head[i], head[i+1])
		}
		w.WriteHeader(code)
	}
}

// bench is a Puller with a clock that a test sets, and what it handed over.
type bench struct {
	*Puller
	now    time.Time
	got    []string
	err    error
	taken  Taken
	opened []string // bundles
	thru   string   // of the next one
}

func newBench(t *testing.T, dir string, far *far, s ...Source) *bench {
	t.Helper()
	b := &bench{now: time.UnixMilli(1_800_000_000_000)}
	for i := range s {
		if s[i].Name == "" {
			s[i].Name = "src"
		}
		if s[i].Kind == "" {
			s[i].Kind = KindOSV
		}
		if s[i].Every == 0 {
			s[i].Every = 6 * time.Hour
		}
		if far != nil && s[i].Path == "" {
			if s[i].URL == "" {
				s[i].URL = far.URL + "/all.json"
			}
			if s[i].CAFile == "" {
				s[i].CAFile = filepath.Join(t.TempDir(), "ca.pem")
				text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: far.Certificate().Raw})
				if err := os.WriteFile(s[i].CAFile, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var err error
	b.Puller, err = New(Config{
		Sources: s, Dir: dir, Agent: "skerry test", Now: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler),
		Jitter: func(time.Duration) time.Duration { return 0 },
		Ingest: func(_ context.Context, _ Source, each Each) (Taken, error) {
			err := each(func(name string, raw []byte) error {
				b.got = append(b.got, name+"="+string(raw))
				return nil
			})
			if err == nil {
				err = b.err
			}
			return b.taken, err
		},
		Import: func(_ context.Context, _ Source, f *os.File) (Taken, error) {
			raw, err := io.ReadAll(f)
			b.opened = append(b.opened, string(raw))
			if err == nil {
				err = b.err
			}
			return Taken{Read: 1, Through: b.thru}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.retry, b.stall = time.Millisecond, 200*time.Millisecond
	return b
}

// pull fetches the first source and returns what is known of it then.
func (b *bench) pull(t *testing.T) Status {
	t.Helper()
	b.now = b.now.Add(time.Minute)
	b.once(t.Context(), 0)
	return b.Status()[0]
}

func wantReason(t *testing.T, s Status, text string) {
	t.Helper()
	if !strings.Contains(s.Reason, text) || text == "" && s.Reason != "" {
		t.Errorf("the reason is %q, want %q", s.Reason, text)
	}
	if s.Running || text != "" && (s.Failures == 0 || s.Failed != s.Tried) {
		t.Errorf("after it: %+v", s)
	}
}

// bytes is how many bytes of files were sent, requests what was asked.
func (f *far) bytes() int { f.mu.Lock(); defer f.mu.Unlock(); return f.sent }

func (f *far) requests() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}
