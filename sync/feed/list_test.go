package feed

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// long is a catalog of n records, in the form of NVD's, with more bytes than one record may have where n is large.
func long(n int, between string) string {
	var b strings.Builder
	b.WriteString(`{"resultsPerPage":` + fmt.Sprint(n) + `,"format":"NVD_CVE","timestamp":"2026-01-01T00:00:00","vulnerabilities":[`)
	for i := range n {
		if i > 0 {
			b.WriteString(between)
		}
		fmt.Fprintf(&b, `{"cve":{"id":"CVE-2026-%05d","text":%q}}`, i, strings.Repeat("x", 2000))
	}
	b.WriteString(`]}`)
	return b.String()
}

func TestLists(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "kev/short.json", long(3, ","))
	whole := put(t, dir, "nvd/nvdcve-2.0-2026.json", long(5000, ", \n"))
	put(t, dir, "nvd.gz/nvdcve-2.0-2026.json.gz", string(gzipOf(t, []byte(long(5000, ",")))))
	put(t, dir, "nvd.zip", string(zipOf(t, member{name: "nvdcve-2.0-2026.json", body: long(5000, ",")})))
	for _, name := range []string{"nvd", "nvd.gz", "nvd.zip"} {
		t.Run(name, func(t *testing.T) {
			var seen []string
			pieces := 0
			err := Walk(t.Context(), []string{filepath.Join(dir, name)}, func(name string, raw []byte) error {
				var doc struct {
					Format          string
					Timestamp       string
					Vulnerabilities []struct{ CVE struct{ ID string } }
				}
				if err := json.Unmarshal(raw, &doc); err != nil {
					return err
				}
				if pieces++; doc.Format != "NVD_CVE" || doc.Timestamp == "" || len(doc.Vulnerabilities) == 0 || len(raw) > piece+10_000 {
					t.Errorf("%s has %d bytes, %d records and the format %q", name, len(raw), len(doc.Vulnerabilities), doc.Format)
				}
				if want := fmt.Sprintf("/nvdcve-2.0-2026.%06d.json", pieces); !strings.HasSuffix(name, want) {
					t.Errorf("piece %d is called %s", pieces, name)
				}
				for _, v := range doc.Vulnerabilities {
					seen = append(seen, v.CVE.ID)
				}
				return nil
			})
			if err != nil || len(seen) != 5000 || !slices.IsSorted(seen) || pieces < 8 {
				t.Errorf("%v: %d records in %d pieces", err, len(seen), pieces)
			}
		})
	}
	var got []string
	if err := Walk(t.Context(), []string{filepath.Join(dir, "kev")}, collect(&got)); err != nil || len(got) != 1 || got[0] != "kev/short.json="+long(3, ",") {
		t.Errorf("a list that one record can hold: %d pieces, %v", len(got), err)
	}
	raw, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	cut := put(t, dir, "cut/nvd.json", string(raw[:len(raw)-100]))
	err = Walk(t.Context(), []string{cut}, func(string, []byte) error { return nil })
	wantFault(t, err, fault.Corrupt, "nvd.json ends early")
	// A long document of which no part stands alone is handed over as it always was: cut, for the decoder to name it.
	body := `{"document":{"title":"x"},"vulnerabilities":[` + strings.TrimSuffix(strings.Repeat(`{"cve":"CVE-2026-1"},`, 600_000), ",") + `]}`
	var sizes []int
	err = Walk(t.Context(), []string{put(t, dir, "csaf/a.json", body)}, func(_ string, raw []byte) error { sizes = append(sizes, len(raw)); return nil })
	if err != nil || !slices.Equal(sizes, []int{MaxRecord + 1}) {
		t.Errorf("%v, sizes %v", err, sizes)
	}
	// A list of OSV records, without anything around them.
	body = "[" + strings.TrimSuffix(strings.Repeat(`{"id":"GHSA-1","details":"`+strings.Repeat("y", 50_000)+`"},`, 300), ",") + "]"
	n := 0
	err = Walk(t.Context(), []string{put(t, dir, "ghsa/list.json", body)}, func(_ string, raw []byte) error {
		var list []struct{ ID string }
		n += strings.Count(string(raw), "GHSA-1")
		return json.Unmarshal(raw, &list)
	})
	if err != nil || n != 300 {
		t.Errorf("%v: %d records", err, n)
	}
}

func TestLinesAndTables(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "pypa/2024-01-01.ndjson", "{\"op\":\"put\"}\r\n\n  {\"op\":\"del\"}\n\t\n{\"last\":1}")
	put(t, dir, "rustsec/a.jsonl.gz", string(gzipOf(t, []byte("{\"a\":1}\n{\"a\":2}\n"))))
	put(t, dir, "epss/short.csv", "#model_version:v1,score_date:2026-01-01\ncve,epss,percentile\nCVE-1,0.1,0.2\nCVE-2,0.3,0.4\n")
	put(t, dir, "epss/none.csv", "#model_version:v1\ncve,epss,percentile\n")
	put(t, dir, "tarred.tar.gz", string(gzipOf(t, tarOf(t, member{name: "x/b.ndjson", body: "{}\n{}"}, member{name: "x/c.csv.gz", body: string(gzipOf(t, []byte("cve\n1\n")))}))))
	for name, want := range map[string][]string{
		"pypa":          {`pypa/2024-01-01.ndjson:1.json={"op":"put"}`, `pypa/2024-01-01.ndjson:3.json={"op":"del"}`, `pypa/2024-01-01.ndjson:5.json={"last":1}`},
		"rustsec":       {`rustsec/a.jsonl:1.json={"a":1}`, `rustsec/a.jsonl:2.json={"a":2}`},
		"epss":          {"epss/short.000001.csv=#model_version:v1,score_date:2026-01-01\ncve,epss,percentile\nCVE-1,0.1,0.2\nCVE-2,0.3,0.4\n"},
		"tarred.tar.gz": {"x/b.ndjson:1.json={}", "x/b.ndjson:2.json={}", "x/c.000001.csv=cve\n1\n"},
	} {
		var got []string
		if err := Walk(t.Context(), []string{filepath.Join(dir, name)}, collect(&got)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	var big strings.Builder
	big.WriteString("#v\ncve,epss\n")
	for i := range 300_000 {
		fmt.Fprintf(&big, "CVE-%d,0.12345,0.6789\n", i)
	}
	path := put(t, dir, "all/epss_scores-current.csv.gz", string(gzipOf(t, []byte(big.String()))))
	rows, pieces := 0, 0
	err := Walk(t.Context(), []string{path}, func(name string, raw []byte) error {
		pieces++
		if !strings.HasPrefix(string(raw), "#v\ncve,epss\nCVE-") || len(raw) > piece+100 || !strings.HasSuffix(name, fmt.Sprintf("epss_scores-current.%06d.csv", pieces)) {
			t.Errorf("%s begins with %.20q and has %d bytes", name, raw, len(raw))
		}
		rows += strings.Count(string(raw), "\n") - 2
		return nil
	})
	if err != nil || rows != 300_000 || pieces < 7 {
		t.Errorf("%v: %d rows in %d pieces", err, rows, pieces)
	}
	// A line that is too long is one record that is too long, and does not stop those behind it.
	var sizes []int
	path = put(t, dir, "lines/a.ndjson", "{}\n"+strings.Repeat("x", MaxRecord+5000)+"\n{}\n")
	if err := Walk(t.Context(), []string{path}, func(_ string, raw []byte) error { sizes = append(sizes, len(raw)); return nil }); err != nil || !slices.Equal(sizes, []int{2, MaxRecord + 1, 2}) {
		t.Errorf("%v, sizes %v", err, sizes)
	}
	wantFault(t, Walk(t.Context(), []string{put(t, dir, "t/a.csv", "cve\n"+strings.Repeat("x", maxRow))}, func(string, []byte) error { return nil }), fault.TooLarge, "line 1 has more than")
	wantFault(t, Walk(t.Context(), []string{put(t, dir, "t/b.csv", strings.Repeat("#"+strings.Repeat("x", 1000)+"\n", 100))}, func(string, []byte) error { return nil }), fault.TooLarge, "the head of the table")
	wantFault(t, Walk(t.Context(), []string{put(t, dir, "t/c.json.gz", "this is not gzip at all")}, func(string, []byte) error { return nil }), fault.Corrupt, "c.json.gz is damaged")
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	record := `{"id":"CVE-1"}`
	for _, c := range []struct {
		name, body string
		want       []string
	}{
		{"osv/all.zip", string(zipOf(t, member{name: "CVE-1.json", body: record})), []string{"osv/CVE-1.json=" + record}},
		{"kev/known.json", record, []string{"kev/known.json=" + record}},
		{"kev/download", record, []string{"kev/download.json=" + record}},
		{"epss/download", "#v\ncve,epss\nCVE-1,1\n", []string{"epss/download.000001.csv=#v\ncve,epss\nCVE-1,1\n"}},
		{"epss/download", string(gzipOf(t, []byte("#v\ncve,epss\nCVE-1,1\n"))), []string{"epss/download.000001.csv=#v\ncve,epss\nCVE-1,1\n"}},
		{"kev/download", string(gzipOf(t, []byte(record))), []string{"kev/download.json=" + record}},
		{"osv/export", string(zipOf(t, member{name: "CVE-1.json", body: record})), []string{"export/CVE-1.json=" + record}},
		{"osv/export", string(tarOf(t, member{name: "CVE-1.json", body: record})), []string{"export/CVE-1.json=" + record}},
		{"osv/export", string(gzipOf(t, tarOf(t, member{name: "CVE-1.json", body: record}))), []string{"export/CVE-1.json=" + record}},
		{"osv/export", string(zstdOf(t, tarOf(t, member{name: "CVE-1.json", body: record}), ownWindow)), []string{"export/CVE-1.json=" + record}},
		{"osv/export", "<!DOCTYPE html><title>Sign in</title>", nil},
		{"osv/export", "", nil},
	} {
		var got []string
		err := File(t.Context(), put(t, dir, "fetched", c.body), c.name, collect(&got))
		if c.want == nil {
			wantFault(t, err, fault.Invalid, "it is no feed")
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
	}
}

// Files that expand without end are bounded, wherever they are, and hold little memory.
func TestPackedBombs(t *testing.T) {
	dir := t.TempDir()
	lim := Limits{Record: 1 << 20, Expanded: 32 << 20, Entries: 1000, Name: 64}
	inside := make([]member, 3)
	for i := range inside {
		inside[i] = member{name: fmt.Sprint(i, ".ndjson.gz"), body: string(gzipOf(t, make([]byte, 20<<20)))}
	}
	for name, body := range map[string][]byte{
		"a.json.gz":   gzipOf(t, append([]byte(`{"vulnerabilities":[`), make([]byte, 64<<20)...)),
		"b.json.gz":   gzipOf(t, []byte(`{"vulnerabilities":["`+strings.Repeat("x", 64<<20))),
		"c.csv.gz":    gzipOf(t, []byte("a\n"+strings.Repeat("b\n", 32<<20))),
		"d.ndjson.gz": gzipOf(t, make([]byte, 64<<20)),
		"e.zip":       zipOf(t, inside...),
		"f.json.gz":   gzipOf(t, []byte(`{"vulnerabilities":[`+strings.Repeat("[", 16<<20))),
	} {
		t.Run(name, func(t *testing.T) {
			path := put(t, dir, name, string(body))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			err := walk(t.Context(), []string{path}, lim, func(string, []byte) error { return nil })
			runtime.ReadMemStats(&after)
			if k := fault.KindOf(err); k != fault.TooLarge && k != fault.Corrupt {
				t.Errorf("got %v", err)
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}

// Whatever the sizes of records and pieces are, a list that is taken apart has every record once and in order.
func TestListKeepsEveryRecord(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		var want []int
		var b strings.Builder
		b.WriteString(`{"format":"NVD_CVE","vulnerabilities":[`)
		for i := range 1 + rng.IntN(120) {
			if i > 0 {
				b.WriteString([]string{",", " , ", ",\n\n"}[rng.IntN(3)])
			}
			fmt.Fprintf(&b, `{"n":%d,"x":%q}`, i, strings.Repeat("é", rng.IntN(20_000)))
			want = append(want, i)
		}
		b.WriteString("]}")
		path := put(t, t.TempDir(), "nvd/a.json", b.String())
		lim := DefaultLimits()
		lim.Record = 50_000
		var got []int
		err := walk(t.Context(), []string{path}, lim, func(_ string, raw []byte) error {
			var doc struct{ Vulnerabilities []struct{ N int } }
			if err := json.Unmarshal(raw, &doc); err != nil {
				return err
			}
			for _, v := range doc.Vulnerabilities {
				got = append(got, v.N)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v (%v)", got, want, err)
		}
	}
}

// FuzzFile reads any bytes under any of the names that files have. What is handed over obeys the limits and has the name of
// a record, and every error has a kind.
func FuzzFile(f *testing.F) {
	names := []string{"s/a.json", "s/a.json.gz", "s/a.ndjson", "s/a.ndjson.gz", "s/a.csv", "s/a.csv.gz", "s/all.zip", "s/a.tar", "s/a.tar.gz", "s/a.tar.zst", "s/a"}
	for i, body := range []string{
		long(1, ","), string(gzipOf(f, []byte(long(1, ",")))), "{}\n{}", string(gzipOf(f, []byte("{}\n{}"))), "#v\ncve,epss\nCVE-1,1\n",
		string(gzipOf(f, []byte("#v\ncve\n1\n"))), string(zipOf(f, member{name: "a.json", body: "{}"}, member{name: "b.csv.gz", body: string(gzipOf(f, []byte("a\nb")))})),
		string(tarOf(f, member{name: "a.json", body: "{}"})), string(gzipOf(f, tarOf(f, member{name: "a.json", body: "{}"}))),
		string(zstdOf(f, tarOf(f, member{name: "a.json", body: "{}"}), ownWindow)), `[{"id":"1"},{"id":"2"}]`,
	} {
		f.Add(uint8(i), []byte(body))
	}
	f.Fuzz(func(t *testing.T, which uint8, in []byte) {
		path := filepath.Join(t.TempDir(), "fetched")
		if err := os.WriteFile(path, in, 0o600); err != nil {
			t.Fatal(err)
		}
		w := walker{ctx: t.Context(), lim: Limits{Record: 500, Expanded: 1 << 20, Entries: 100, Name: 512}}
		n := 0
		w.fn = func(name string, raw []byte) error {
			if n++; len(raw) > piece+1000 || !filepath.IsLocal(name) || label(name, w.lim.Name) != name || !isRecord(name) {
				t.Fatalf("handed over %q with %d bytes as number %d", name, len(raw), n)
			}
			return nil
		}
		name := names[int(which)%len(names)]
		var err error
		if archive(name) != nil {
			err = w.archive(path, name)
		} else if isFile(name) {
			err = w.file(path, name)
		} else {
			err = File(t.Context(), path, name, w.fn)
		}
		if err != nil && (fault.KindOf(err) == fault.Other || strings.Contains(err.Error(), "\n")) {
			t.Fatalf("an error without a kind, or of several lines: %q", err)
		}
	})
}

// TestWhereALineStands: who reads of a bad line looks for it in the file that he has.
func TestWhereALineStands(t *testing.T) {
	for name, want := range map[string]string{
		"src/ch.ndjson:3.json": "src/ch.ndjson:3", "a.JSONL:12.json": "a.JSONL:12", "a.json": "a.json", "a:3.json": "a:3.json", "a.ndjson:x.json": "a.ndjson:x.json",
		"a.ndjson:-1.json": "a.ndjson:-1.json", "a.ndjson:3": "a.ndjson:3", "": "",
	} {
		if got := LineOf(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
