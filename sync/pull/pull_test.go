package pull

import (
	"archive/zip"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func record(n int) []byte { return []byte(`{"id":"CVE-1","x":"` + strings.Repeat("y", n) + `"}`) }

func TestFetchesWhatIsNew(t *testing.T) {
	far := newFar(t, record(10))
	dir := t.TempDir()
	b := newBench(t, dir, far, Source{})
	b.taken = Taken{Read: 1, Created: 1}
	s := b.pull(t)
	wantReason(t, s, "")
	if want := []string{"src/all.json=" + string(record(10))}; !slices.Equal(b.got, want) {
		t.Errorf("handed over %q", b.got)
	}
	if s.Checked != model.TimeOf(b.now) || s.Changed != s.Checked || s.ETag != `"one"` || s.Taken != b.taken || s.Age != 0 || s.Old ||
		s.Next.Std().Sub(b.now) != 6*time.Hour-18*time.Minute {
		t.Errorf("then %+v", s)
	}
	if far.requests()[0].Header.Get("User-Agent") != "skerry test" || far.requests()[0].Header.Get("Range") != "" {
		t.Errorf("asked with %v", far.requests()[0].Header)
	}

	// Over a restart it is known what was taken in.
	was := b.now
	b = newBench(t, dir, far, Source{})
	b.now = was
	s = b.pull(t)
	wantReason(t, s, "")
	if len(b.got) != 0 || far.bytes() != len(record(10)) || far.requests()[1].Header.Get("If-None-Match") != `"one"` || s.Checked == s.Changed {
		t.Errorf("the same again: %q, %d bytes, %+v", b.got, far.bytes(), s)
	}
	far.mu.Lock()
	far.body, far.tag = record(20), `"two"`
	far.mu.Unlock()
	if s = b.pull(t); len(b.got) != 1 || s.ETag != `"two"` || s.Changed != s.Checked {
		t.Errorf("another edition: %q, %+v", b.got, s)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "src*")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// A file that breaks off is gone on with, also by another process, as long as it is the same file.
func TestGoesOnWhereItBrokeOff(t *testing.T) {
	whole := record(300_000)
	for _, c := range []struct {
		name   string
		answer func(*far) []http.HandlerFunc
		most   int // bytes that are sent in all
	}{
		{"in one go", func(f *far) []http.HandlerFunc {
			return []http.HandlerFunc{f.breakOff(100_000), f.breakOff(100_000)}
		}, len(whole)},
		{"a server without parts", func(f *far) []http.HandlerFunc {
			return []http.HandlerFunc{f.breakOff(100_000), func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Range")
				f.file(w, r)
			}}
		}, len(whole) + 100_000},
		{"another edition meanwhile", func(f *far) []http.HandlerFunc {
			return []http.HandlerFunc{f.breakOff(100_000), func(w http.ResponseWriter, r *http.Request) {
				f.mu.Lock()
				f.tag = `"two"`
				f.mu.Unlock()
				f.file(w, r)
			}}
		}, len(whole) + 100_000},
		{"another part than was asked for", func(f *far) []http.HandlerFunc {
			return []http.HandlerFunc{f.breakOff(100_000), status(206, "Content-Range", "bytes 7-9/300021")}
		}, len(whole) + 100_000},
		{"a part that is not there", func(f *far) []http.HandlerFunc {
			return []http.HandlerFunc{f.breakOff(100_000), status(416)}
		}, len(whole) + 100_000},
		{"a server that falls over", func(f *far) []http.HandlerFunc {
			return []http.HandlerFunc{status(500), f.breakOff(100_000), status(502)}
		}, len(whole)},
	} {
		t.Run(c.name, func(t *testing.T) {
			far := newFar(t, whole)
			far.next(c.answer(far)...)
			b := newBench(t, t.TempDir(), far, Source{})
			wantReason(t, b.pull(t), "")
			if len(b.got) != 1 || b.got[0] != "src/all.json="+string(whole) {
				t.Errorf("handed over %d records", len(b.got))
			}
			if far.bytes() > c.most {
				t.Errorf("%d bytes were sent, want at most %d", far.bytes(), c.most)
			}
		})
	}
	t.Run("another process", func(t *testing.T) {
		far, dir := newFar(t, whole), t.TempDir()
		far.next(far.breakOff(100_000), status(500), status(500), status(500))
		b := newBench(t, dir, far, Source{})
		s := b.pull(t)
		wantReason(t, s, "it answered 500")
		if len(b.got) != 0 || s.Next.Std().Sub(b.now) != time.Minute {
			t.Errorf("%q, %+v", b.got, s)
		}
		b = newBench(t, dir, far, Source{})
		wantReason(t, b.pull(t), "")
		if len(b.got) != 1 || b.got[0] != "src/all.json="+string(whole) || far.bytes() > len(whole) {
			t.Errorf("handed over %d records, %d bytes sent", len(b.got), far.bytes())
		}
		if last := far.requests()[len(far.requests())-1].Header; !strings.HasPrefix(last.Get("Range"), "bytes=") || last.Get("If-Range") != `"one"` {
			t.Errorf("asked with %v", last)
		}
	})
}

func TestRefusesWhatIsNoFile(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(record(1)) }))
	defer plain.Close()
	stop := make(chan struct{})
	defer close(stop)
	for _, c := range []struct {
		name   string
		answer []http.HandlerFunc
		text   string
	}{
		{"a page", []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<html>Sign in</html>")
		}}, "a page for people (text/html)"},
		{"a page that says nothing", []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "<html>Sign in</html>")
		}}, ""},
		{"not found", []http.HandlerFunc{status(404)}, "it answered 404"},
		{"another scheme", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) }}, "which is not https"},
		{"in circles", slices.Repeat([]http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }}, 99), "redirected more than"},
		{"too large", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(int64(maxFile)+1))
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}}, "at most 4294967296 are fetched"},
		{"silent", slices.Repeat([]http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		}}, 9), "it sent nothing for 200ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			far := newFar(t, record(1))
			far.next(c.answer...)
			b := newBench(t, t.TempDir(), far, Source{})
			if c.text == "" { // it is the decoder that sees it
				b.taken = Taken{Read: 1, Malformed: 1, Example: "all.json: not JSON"}
				c.text = "none of its 1 records could be read: all.json: not JSON"
			}
			s := b.pull(t)
			wantReason(t, s, c.text)
			if !s.Checked.IsZero() || s.ETag != "" || b.taken.Read == 0 && len(b.got) != 0 {
				t.Errorf("it counts as fetched: %+v, %q", s, b.got)
			}
		})
	}
	t.Run("a way through https", func(t *testing.T) {
		far := newFar(t, record(1))
		far.next(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) })
		b := newBench(t, t.TempDir(), far, Source{})
		wantReason(t, b.pull(t), "")
	})
	t.Run("a stranger", func(t *testing.T) {
		far := newFar(t, record(1))
		ca := filepath.Join(t.TempDir(), "ca.pem")
		key := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: strange(t)})
		if err := os.WriteFile(ca, key, 0o600); err != nil {
			t.Fatal(err)
		}
		b := newBench(t, t.TempDir(), far, Source{CAFile: ca})
		wantReason(t, b.pull(t), "certificate")
		if len(far.requests()) != 0 {
			t.Error("something was asked of a server that nobody vouches for")
		}
	})
	t.Run("busy", func(t *testing.T) {
		far := newFar(t, record(1))
		far.next(status(503, "Retry-After", "1800"))
		b := newBench(t, t.TempDir(), far, Source{})
		if s := b.pull(t); s.Next.Std().Sub(b.now) != 30*time.Minute || len(far.requests()) != 1 {
			t.Errorf("after %d questions %+v", len(far.requests()), s)
		}
	})
}

// What cannot be taken in is fetched anew where it is the file's fault, and kept where it is not.
func TestKeepsWhatCouldNotBeTakenIn(t *testing.T) {
	far, dir := newFar(t, record(10)), t.TempDir()
	b := newBench(t, dir, far, Source{})
	b.err = fault.New(fault.ReadOnly, "", "the disk is full")
	s := b.pull(t)
	wantReason(t, s, "the disk is full")
	b = newBench(t, dir, far, Source{})
	if s = b.pull(t); len(far.requests()) != 1 || len(b.got) != 1 || s.ETag != `"one"` {
		t.Errorf("asked %d times, got %q, %+v", len(far.requests()), b.got, s)
	}

	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	w, _ := z.Create("CVE-1.json")
	_, _ = w.Write(record(5000))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	good := bytes.Clone(buf.Bytes())
	bad := bytes.Clone(good)
	bad[60] ^= 0xff
	far = newFar(t, bad)
	dir = t.TempDir()
	b = newBench(t, dir, far, Source{URL: far.URL + "/all.zip"})
	s = b.pull(t)
	wantReason(t, s, "is damaged")
	if s.ETag != "" || !s.Checked.IsZero() {
		t.Errorf("a damaged file counts: %+v", s)
	}
	far.mu.Lock()
	far.body = good
	far.mu.Unlock()
	s = b.pull(t)
	wantReason(t, s, "")
	if want := "src/CVE-1.json=" + string(record(5000)); len(b.got) == 0 || b.got[len(b.got)-1] != want {
		t.Errorf("got %q", b.got)
	}
	if s.Failures != 0 || s.Failed.IsZero() {
		t.Errorf("when it last failed is forgotten: %+v", s)
	}
}

func TestFolders(t *testing.T) {
	dir, root := t.TempDir(), filepath.Join(t.TempDir(), "mirror")
	b := newBench(t, dir, nil, Source{Path: root})
	wantReason(t, b.pull(t), root+" does not exist")
	write := func(name string, body []byte) {
		t.Helper()
		full := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("pypa/a.json", record(1))
	write("golang/b.ndjson", []byte("{}\n{}\n"))
	wantReason(t, b.pull(t), "")
	if want := []string{"mirror/golang/b.ndjson:1.json={}", "mirror/golang/b.ndjson:2.json={}", "mirror/pypa/a.json=" + string(record(1))}; !slices.Equal(b.got, want) {
		t.Errorf("got %q", b.got)
	}
	b = newBench(t, dir, nil, Source{Path: root})
	if s := b.pull(t); len(b.got) != 0 || s.Checked == s.Changed {
		t.Errorf("unchanged: %q, %+v", b.got, s)
	}
	write("pypa/a.json", record(2))
	if b.pull(t); len(b.got) != 3 {
		t.Errorf("changed: %q", b.got)
	}
}

func TestBundles(t *testing.T) {
	far := newFar(t, []byte("a bundle"))
	root := t.TempDir()
	for _, name := range []string{"2.zst", "1.zst", "README"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("bundle "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := newBench(t, t.TempDir(), far, Source{Kind: KindBundle}, Source{Name: "stick", Kind: KindBundle, Path: root})
	wantReason(t, b.pull(t), "")
	b.once(t.Context(), 1)
	if want := []string{"a bundle", "bundle 1.zst", "bundle 2.zst"}; !slices.Equal(b.opened, want) || b.Status()[1].Taken.Read != 2 {
		t.Errorf("opened %q, %+v", b.opened, b.Status()[1])
	}
}

// What a Skerry server exports is asked for from where the last bundle ended, with the token, until it does not join on.
func TestExports(t *testing.T) {
	far := newFar(t, nil)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// What the far server says beside the file is signed by nobody.
	export := func(_, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Skerry-Cursor", "2036-01-02T00:00:00.000Z#9999")
			_, _ = io.WriteString(w, body)
		}
	}
	const first, second = "2026-01-01T00:00:00.000Z#0041", "2026-01-02T00:00:00.000Z#0042"
	far.next(export(first, "one"), status(204), export(second, "two"), export(second, "whole"))
	b := newBench(t, t.TempDir(), far, Source{Kind: KindBundle, URL: far.URL + "/export?key=hq", TokenFile: token})
	b.thru = first
	wantReason(t, b.pull(t), "")
	wantReason(t, b.pull(t), "")
	b.err = fault.New(fault.Busy, "", "another run is under way")
	wantReason(t, b.pull(t), "under way")
	b.err = fault.New(fault.Conflict, "", "gap: the bundle starts too late")
	if wantReason(t, b.pull(t), "gap"); len(far.requests()) != 3 || !slices.Equal(b.opened, []string{"one", "two", "two"}) {
		t.Errorf("asked %d times, opened %q: what could not be taken in at that moment is kept", len(far.requests()), b.opened)
	}
	b.err = nil
	wantReason(t, b.pull(t), "")
	var from []string
	for _, r := range far.requests() {
		from = append(from, r.URL.Query().Get("from"))
		if r.Header.Get("Authorization") != "Bearer sesame" || r.URL.Query().Get("key") != "hq" {
			t.Errorf("asked for %s with %v", r.URL, r.Header)
		}
	}
	if want := []string{"", first, first, ""}; !slices.Equal(from, want) || b.opened[3] != "whole" {
		t.Errorf("asked from %q, opened %q", from, b.opened)
	}
	for _, text := range []string{"", "two words", strings.Repeat("x", maxToken+1)} {
		if err := os.WriteFile(token, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		wantReason(t, b.pull(t), "token_file: ")
	}
	if len(far.requests()) != 4 {
		t.Errorf("asked %d times", len(far.requests()))
	}
}

func TestEcosystems(t *testing.T) {
	body := strings.Join([]string{
		`{"id":"A","affected":[{"package":{"ecosystem":"Debian:12","name":"x"}}]}`,
		`{"id":"B","affected":[{"package":{"ecosystem":"npm","name":"x"}}]}`,
		`{"id":"C","withdrawn":"2026-01-01T00:00:00Z"}`,
		`{"id":"D","affected":[{"package":{"ecosystem":"npm","name":"x"}},{"package":{"ecosystem":"debian","name":"x"}}]}`,
		`{"op":"put","id":"E","record":{"id":"E","affected":[{"package":{"ecosystem":"PyPI"}}]}}`,
		`{"op":"put","id":"F","record":{"id":"F","affected":[{"package":{"ecosystem":"Debian"}}]}}`,
		`{"op":"del","id":"G"}`, `no JSON`,
	}, "\n")
	far := newFar(t, []byte(body))
	b := newBench(t, t.TempDir(), far, Source{URL: far.URL + "/osv.ndjson", Ecosystems: []string{"Debian"}})
	wantReason(t, b.pull(t), "")
	var lines []string
	for _, g := range b.got {
		lines = append(lines, strings.TrimSuffix(strings.TrimPrefix(g[:strings.Index(g, "=")], "src/osv.ndjson:"), ".json"))
	}
	if want := []string{"1", "3", "4", "6", "7", "8"}; !slices.Equal(lines, want) {
		t.Errorf("took the lines %v, want %v", lines, want)
	}
}

func TestContentRange(t *testing.T) {
	for _, c := range []struct {
		in         string
		from, size int64
		ok         bool
	}{
		{"bytes 5-9/100", 5, 100, true},
		{"bytes 0-0/1", 0, 1, true},
		{"bytes 5-9/*", 5, 0, true},
		{"", 0, 0, false},
		{"bytes", 0, 0, false},
		{"bytes 5-9", 0, 0, false},
		{"bytes 9-5/100", 0, 0, false},
		{"bytes 5-100/100", 0, 0, false},
		{"bytes -5-9/100", 0, 0, false},
		{"items 5-9/100", 0, 0, false},
		{"bytes 5-9/99999999999999", 0, 0, false},
		{"bytes x-9/100", 0, 0, false},
	} {
		from, size, err := contentRange(c.in)
		if (err == nil) != c.ok || err == nil && (from != c.from || size != c.size) {
			t.Errorf("%q: %d, %d, %v", c.in, from, size, err)
		}
	}
}
