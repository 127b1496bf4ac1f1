package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	stdcsv "encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// busyThen fails with busy twice, and then with err.
func busyThen(err error) func(query.Search) error {
	n := 0
	return func(query.Search) error {
		if n++; n <= 2 {
			return fault.New(fault.Busy, "find", "too much at once")
		}
		return err
	}
}

// crowd makes n hosts of one site.
func (r *rig) crowd(n int) {
	for i := range n {
		h := benchHost(0)
		h.ID, h.Hostname = model.HostID{3, byte(i >> 16), byte(i >> 8), byte(i)}, fmt.Sprintf("host-%06d", i)
		r.mem.hosts[h.ID] = h
	}
}

func TestExport(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin")
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	r.crowd(2500)
	r.mem.fail = busyThen(nil) // it is patient
	w := r.do("GET", "/api/v1/hosts/export?sort=-name&q=host", nil)
	if w.Code != 200 || w.Header().Get("Content-Type") != ndjson || w.Header().Get("X-Total-Count") != "2500" {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
	if len(lines) != 2500 {
		t.Fatalf("%d lines", len(lines))
	}
	page := r.hosts("sort=-name&limit=1000")
	for i, h := range page.Hosts {
		if want := strings.TrimSpace(string(plain(t, h))); lines[i] != want {
			t.Fatalf("line %d: %s, want %s", i, lines[i], want)
		}
	}
	if !strings.Contains(lines[2499], `"hostname":"host-000000"`) {
		t.Errorf("the last line: %s", lines[2499])
	}
	w = r.do("GET", "/api/v1/hosts/export?q=name:host-000007&columns=name,tags,cpus,reboot,seen,lat,compliance", nil)
	if got, want := w.Body.String(), `{"name":"host-000007","tag":["env:prod","pci","web"],"cpus":8,"reboot":false,"seen":"2026-03-01T11:59:59.996Z","lat":null,"compliance":97.5}`+"\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestExportAsCSV: the standard library's reader reads what was written, and a spreadsheet meets no formula.
func TestExportAsCSV(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	evil := []string{`=HYPERLINK("http://x","y")`, "+1", "-1", "@SUM(A1)", "\tx", "\rx", `a"b`, "a,b", "a\r\nb", "é\u2028", "plain"}
	h := r.mem.hosts[hostID(berlin, 0)]
	lng := -13.5
	r.mem.sites[berlin] = model.Site{ID: berlin, Name: "berlin", Lat: &lng, Lng: &lng}
	for i, name := range evil {
		h.ID, h.Hostname, h.Tags = hostID(berlin, i), name, []string{name, "x"}
		r.mem.hosts[h.ID] = h
	}
	w := r.do("GET", "/api/v1/hosts/export?format=csv&sort=id&columns=name,tag,lng,critical,status,simulated", nil)
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") || !strings.Contains(w.Header().Get("Content-Disposition"), "hosts.csv") {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	body := w.Body.String()
	if !strings.HasPrefix(body, "name,tag,lng,critical,status,simulated\r\n") || !strings.HasSuffix(body, "\r\n") {
		t.Errorf("%q", body)
	}
	rows, err := stdcsv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != len(evil)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, name := range evil {
		want := name
		if strings.ContainsRune("=+-@\t\r", rune(name[0])) {
			want = "'" + name
		}
		want = strings.ReplaceAll(want, "\r\n", "\n") // as the reader has it
		if row := rows[i+1]; row[0] != want || row[1] != want+";x" || row[2] != "-13.5" || row[3] != "" || row[4] != "up" || row[5] != "false" {
			t.Errorf("%q became %q", name, row)
		}
	}
	// Where a spreadsheet separates by semicolons, quotation marks inside of a cell mean nothing to it.
	h.ID, h.Hostname, h.Tags = hostID(berlin, 0), "a;=1", []string{"a", "+1", `=HYPERLINK("x")`, "b;@c", "d\n-e"}
	r.mem.hosts[h.ID] = h
	w = r.do("GET", "/api/v1/hosts/export?format=csv&sort=id&columns=site,name,tag,status", nil)
	_, line, _ := strings.Cut(w.Body.String(), "\r\n")
	if want := `berlin,"a;'=1","a;'+1;'=HYPERLINK(""x"");b;'@c;d` + "\n" + `'-e",up` + "\r\n"; !strings.HasPrefix(line, want) {
		t.Errorf("%q, want %q", line, want)
	}
	all := r.do("GET", "/api/v1/hosts/export?format=csv", nil).Body.String()
	if head, _, _ := strings.Cut(all, "\r\n"); head != strings.ReplaceAll(schema.ColumnNames(), ", ", ",") {
		t.Errorf("%s", head)
	}
}

// TestABrokenExportHasNoEnd: whoever reads it sees an error, with compression and without.
func TestABrokenExportHasNoEnd(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin")
	r.crowd(3000)
	r.mem.fail = func(q query.Search) error {
		if q.After != nil && q.After.Text >= "host-001900" {
			return fault.New(fault.Corrupt, "find", "damage")
		}
		return nil
	}
	base, _ := r.serving()
	token := r.mem.login("admin")
	for _, encoding := range []string{"identity", "gzip"} {
		req, _ := http.NewRequest("GET", base+"/api/v1/hosts/export", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept-Encoding", encoding)
		resp, err := testClient(r).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if encoding == "gzip" {
			if resp.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("it came as %q", resp.Header.Get("Content-Encoding"))
			}
			z, zerr := gzip.NewReader(bytes.NewReader(body))
			if zerr != nil {
				t.Fatal(zerr)
			}
			body, _ = io.ReadAll(z)
		}
		if n := bytes.Count(body, []byte("\n")); err == nil || n > 2000 || n < 1000 || resp.StatusCode != 200 {
			t.Errorf("%s: %d lines and then %v", encoding, n, err)
		}
	}
	// What fails before the first byte is an answer like any other.
	r.mem.fail = func(query.Search) error { return fault.New(fault.Corrupt, "find", "damage") }
	r.refused(r.do("GET", "/api/v1/hosts/export", nil), 500, fault.Corrupt, "damage")
}

// TestExportEndsWithItsReader: one that goes away costs nothing more, and its place is free.
func TestExportEndsWithItsReader(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin")
	r.server.c.Directory = &endless{memory: r.mem, pages: 1 << 30}
	r.server.exports = make(chan struct{}, 1)
	base, _ := r.serving()
	req, _ := http.NewRequest("GET", base+"/api/v1/hosts/export", nil)
	req.Header.Set("Authorization", "Bearer "+r.mem.login("admin"))
	resp, err := testClient(r).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r.refused(r.do("GET", "/api/v1/hosts/export", nil), 503, fault.Busy, "1 exports run already")
	_ = resp.Body.Close()
	r.server.exports <- struct{}{} // there is room once the handler has ended
}

// TestExportHoldsOnePage: a hundred pages take no more memory than a few.
func TestExportHoldsOnePage(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin")
	most := func(pages int) uint64 {
		r.server.c.Directory = &endless{memory: r.mem, pages: pages}
		w := &countingWriter{header: http.Header{}}
		req := httptest.NewRequest("GET", "https://hq/api/v1/hosts/export", nil)
		r.server.direct["/api/v1/hosts/export"](w, req)
		if w.lines != pages*query.MaxPage {
			t.Fatalf("%d lines", w.lines)
		}
		return w.most
	}
	few, many := most(5), most(200)
	t.Logf("%d KiB in use with 5 pages, %d KiB with 200", few>>10, many>>10)
	if many > few+(16<<20) {
		t.Errorf("%d MiB in use with 200 pages, %d MiB with 5", many>>20, few>>20)
	}
}

// endless answers the same hosts on every page.
type endless struct {
	*memory
	pages int
}

func (e *endless) Find(ctx context.Context, q query.Search) (query.Page, error) {
	p := query.Page{Total: e.pages * q.Limit, Hosts: make([]model.Host, q.Limit)}
	for i := range p.Hosts {
		p.Hosts[i] = benchHost(i)
	}
	if e.pages--; e.pages > 0 {
		p.Next = &query.Cursor{}
	}
	return p, ctx.Err()
}

// countingWriter keeps nothing, and notes how much memory was in use.
type countingWriter struct {
	header http.Header
	lines  int
	n      int
	most   uint64
}

func (w *countingWriter) Header() http.Header { return w.header }
func (w *countingWriter) WriteHeader(int)     {}
func (w *countingWriter) Write(b []byte) (int, error) {
	w.lines += bytes.Count(b, []byte("\n"))
	if w.n++; w.n%5 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.most = max(w.most, m.HeapAlloc)
	}
	return len(b), nil
}
