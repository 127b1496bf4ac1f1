package feed

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
)

// put writes a file below dir, with the folders it needs.
func put(t testing.TB, dir, name, body string) string {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	return full
}

type member struct {
	name, body string
	edit       func(*tar.Header)
}

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: int64(len(m.body)), Mode: 0o644}
		if m.edit != nil {
			m.edit(h)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.body[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdOf(t testing.TB, b []byte, window int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gzipOf(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range members {
		e, err := w.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(e, m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// collect returns "name=body" of all that a walk hands over.
func collect(out *[]string) Func {
	return func(name string, raw []byte) error {
		*out = append(*out, name+"="+string(raw))
		return nil
	}
}

func TestWalk(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "osv/psf/PSF-1.json", "a")
	put(t, dir, "osv/psf/PSF-2.JSON", "b")
	put(t, dir, "osv/alpine/sub/CVE-1.json", "c")
	put(t, dir, "osv/README.md", "no")
	put(t, dir, "osv/psf/._PSF-1.json", "no")
	members := []member{
		{name: "osv/psf/PSF-9.json", body: "x"},
		{name: "README", body: "no"},
		{name: "./flat.json", body: "y"},
		{name: "../../etc/evil.json", body: "z"},
		{name: "/abs/root.json", body: "w"},
	}
	tarred := append(slices.Clone(members), member{name: "osv/link.json", edit: func(h *tar.Header) { h.Typeflag, h.Linkname = tar.TypeSymlink, "/etc/passwd" }})
	put(t, dir, "psf.tar", string(tarOf(t, tarred...)))
	put(t, dir, "psf.tar.gz", string(gzipOf(t, tarOf(t, tarred...))))
	put(t, dir, "psf.tgz", string(gzipOf(t, tarOf(t, tarred...))))
	put(t, dir, "psf.tar.zst", string(zstdOf(t, tarOf(t, tarred...), maxWindow)))
	put(t, dir, "psf.zip", string(zipOf(t, members...)))
	put(t, dir, "Alpine/all.zip", string(zipOf(t, member{name: "CVE-2.json", body: "v"})))
	if err := os.Symlink(dir, filepath.Join(dir, "osv", "loop")); err != nil {
		t.Fatal(err)
	}
	inArchive := []string{"osv/psf/PSF-9.json=x", "psf/flat.json=y", "etc/evil.json=z", "abs/root.json=w"}
	for name, want := range map[string][]string{
		"osv":                       {"osv/alpine/sub/CVE-1.json=c", "osv/psf/PSF-1.json=a", "osv/psf/PSF-2.JSON=b"},
		"osv/psf":                   {"psf/PSF-1.json=a", "psf/PSF-2.JSON=b"},
		"osv/psf/PSF-1.json":        {"psf/PSF-1.json=a"},
		"osv/alpine/sub/CVE-1.json": {"sub/CVE-1.json=c"},
		"psf.tar":                   inArchive,
		"psf.tar.gz":                inArchive,
		"psf.tgz":                   inArchive,
		"psf.tar.zst":               inArchive,
		"psf.zip":                   inArchive,
		"Alpine/all.zip":            {"Alpine/CVE-2.json=v"},
		"Alpine":                    {"Alpine/CVE-2.json=v"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, filepath.FromSlash(name))
			var got, packed []string
			if err := Walk(t.Context(), []string{path}, collect(&got)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("walked %q, want %q", got, want)
			}
			var b bytes.Buffer
			n, err := Pack(t.Context(), []string{path}, &b)
			if err != nil || n != len(want) {
				t.Fatalf("packed %d, %v; want %d", n, err, len(want))
			}
			if err := Unpack(t.Context(), &b, collect(&packed)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(packed, want) {
				t.Errorf("unpacked %q, want %q", packed, want)
			}
		})
	}
}

// TestNames packs records with names that tar cannot hold in its short form.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	deep := strings.Repeat("folder-of-a-long-name/", 8)
	put(t, dir, "f/"+deep+"GHSA-1.json", "1")
	put(t, dir, "f/übrig/CVE-1 ~2.json", "2")
	put(t, dir, "f/x/"+strings.Repeat("a", 240)+".json", "3")
	var b bytes.Buffer
	if _, err := Pack(t.Context(), []string{filepath.Join(dir, "f")}, &b); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := Unpack(t.Context(), &b, collect(&got)); err != nil {
		t.Fatal(err)
	}
	want := []string{"f/" + deep + "GHSA-1.json=1", "f/x/" + strings.Repeat("a", 240) + ".json=3", "f/übrig/CVE-1 ~2.json=2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWalkRefuses(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "empty/README.md", "")
	put(t, dir, "record.json", "{}")
	put(t, dir, "notes.txt", "hello")
	put(t, dir, "bad.zip", "not a zip")
	put(t, dir, "bad.tar", strings.Repeat("not a tar ", 100))
	put(t, dir, "bad.tar.gz", "not gzip at all")
	whole := zstdOf(t, tarOf(t, member{name: "a/b.json", body: strings.Repeat("0123456789", 5000)}), ownWindow)
	put(t, dir, "cut.tar.zst", string(whole[:len(whole)-20]))
	for name, tc := range map[string]struct {
		kind fault.Kind
		text string
	}{
		"gone":        {fault.NotFound, "gone does not exist"},
		"gone.json":   {fault.NotFound, "gone.json does not exist"},
		"notes.txt":   {fault.Invalid, "is no feed: give .json"},
		"empty":       {fault.NotFound, "there is no record"},
		"bad.zip":     {fault.Corrupt, "bad.zip is damaged"},
		"bad.tar":     {fault.Corrupt, "bad.tar is damaged"},
		"bad.tar.gz":  {fault.Corrupt, "bad.tar.gz is damaged"},
		"cut.tar.zst": {fault.Corrupt, "cut.tar.zst ends early"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Pack(t.Context(), []string{filepath.Join(dir, name)}, io.Discard)
			wantFault(t, err, tc.kind, tc.text)
		})
	}
	t.Run("unreadable", func(t *testing.T) {
		wantFault(t, missing("x.json", fmt.Errorf("open: %w", os.ErrPermission)), fault.NotFound, "x.json may not be read by this user")
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Walk(ctx, []string{filepath.Join(dir, "record.json")}, func(string, []byte) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func wantFault(t *testing.T, err error, kind fault.Kind, text string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v (kind %v), want kind %v with %q", err, fault.KindOf(err), kind, text)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %q", err)
	}
}

// TestCallersError says that an error of the function stops everything and comes back as it is, even
// where it looks like one of this package's own.
func TestCallersError(t *testing.T) {
	dir := t.TempDir()
	file := put(t, dir, "psf/a.json", "{}")
	zipped := put(t, dir, "psf.zip", string(zipOf(t, member{name: "a.json"}, member{name: "b.json"})))
	for _, want := range []error{errors.New("enough"), io.ErrUnexpectedEOF, &os.PathError{Op: "x", Path: "y", Err: os.ErrNotExist}} {
		n := 0
		stop := func(string, []byte) error { n++; return want }
		if err := Walk(t.Context(), []string{file, file}, stop); err != want || n != 1 {
			t.Errorf("file: got %v after %d calls", err, n)
		}
		if err := Walk(t.Context(), []string{zipped}, stop); err != want || n != 2 {
			t.Errorf("zip: got %v after %d calls", err, n)
		}
		var b bytes.Buffer
		if _, err := Pack(t.Context(), []string{zipped}, &b); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(t.Context(), &b, stop); err != want || n != 3 {
			t.Errorf("stream: got %v after %d calls", err, n)
		}
	}
}

// TestTooLongRecord says that one oversized record does not stop the good ones around it: it arrives one
// byte too long.
func TestTooLongRecord(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "s/a.json", "{}")
	put(t, dir, "s/b.json", strings.Repeat("x", MaxRecord+100))
	put(t, dir, "s/c.json", "{}")
	var b bytes.Buffer
	if _, err := Pack(t.Context(), []string{filepath.Join(dir, "s")}, &b); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	if err := Unpack(t.Context(), &b, func(_ string, raw []byte) error { sizes = append(sizes, len(raw)); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sizes, []int{2, MaxRecord + 1, 2}) {
		t.Errorf("sizes = %v", sizes)
	}
}

func TestUnpackRefuses(t *testing.T) {
	lim := Limits{Record: 1000, Expanded: 20_000, Entries: 3, Name: 64}
	ok := member{name: "psf/a.json", body: "{}"}
	named := func(name string) []byte { return zstdOf(t, tarOf(t, member{name: name, body: "{}"}), ownWindow) }
	whole := named("psf/a.json")
	typed := func(flag byte) []byte {
		return zstdOf(t, tarOf(t, member{name: "psf/a.json", edit: func(h *tar.Header) { h.Typeflag, h.Linkname = flag, "/etc/passwd" }}), ownWindow)
	}
	for name, tc := range map[string]struct {
		in   io.Reader
		kind fault.Kind
		text string
	}{
		"not zstd":        {strings.NewReader("hello hello"), fault.Corrupt, "damaged"},
		"not tar":         {bytes.NewReader(zstdOf(t, bytes.Repeat([]byte("no"), 1000), ownWindow)), fault.Corrupt, "damaged"},
		"cut":             {bytes.NewReader(whole[:len(whole)-6]), fault.Corrupt, "ends early"},
		"broken off":      {io.MultiReader(bytes.NewReader(whole[:20]), iotest.ErrReader(errors.New("connection reset"))), fault.Unreachable, "connection reset"},
		"wide window":     {bytes.NewReader(zstdOf(t, make([]byte, 16<<20), 16<<20)), fault.Corrupt, "damaged"},
		"path upwards":    {bytes.NewReader(named("../a.json")), fault.Corrupt, `"../a.json", not an advisory`},
		"path inside":     {bytes.NewReader(named("a/../../b.json")), fault.Corrupt, "not an advisory"},
		"absolute":        {bytes.NewReader(named("/etc/a.json")), fault.Corrupt, "not an advisory"},
		"backslash":       {bytes.NewReader(named(`a\b.json`)), fault.Corrupt, "not an advisory"},
		"control":         {bytes.NewReader(named("a/\x1bb.json")), fault.Corrupt, "not an advisory"},
		"not json":        {bytes.NewReader(named("a/b.sh")), fault.Corrupt, "not an advisory"},
		"long name":       {bytes.NewReader(named(strings.Repeat("a", 80) + ".json")), fault.Corrupt, "not an advisory"},
		"symlink":         {bytes.NewReader(typed(tar.TypeSymlink)), fault.Corrupt, "not an advisory"},
		"hard link":       {bytes.NewReader(typed(tar.TypeLink)), fault.Corrupt, "not an advisory"},
		"device":          {bytes.NewReader(typed(tar.TypeChar)), fault.Corrupt, "not an advisory"},
		"long record":     {bytes.NewReader(zstdOf(t, tarOf(t, member{name: "a.json", body: strings.Repeat("x", 1002)}), ownWindow)), fault.TooLarge, "more than 1000 bytes"},
		"many entries":    {bytes.NewReader(zstdOf(t, tarOf(t, ok, ok, ok, ok), ownWindow)), fault.TooLarge, "more than 3 entries"},
		"bomb":            {bytes.NewReader(zstdOf(t, append(tarOf(t, ok), make([]byte, 1<<20)...), ownWindow)), 0, ""},
		"bomb in headers": {bytes.NewReader(zstdOf(t, tarOf(t, member{name: "a.json", edit: func(h *tar.Header) { h.PAXRecords = map[string]string{"SKERRY.x": strings.Repeat("y", 30_000)} }}), ownWindow)), fault.TooLarge, "more than 20000 bytes"},
		"pax record":      {bytes.NewReader(zstdOf(t, tarOf(t, member{name: "a.json", edit: func(h *tar.Header) { h.PAXRecords = map[string]string{"SKERRY.x": "y"} }}), ownWindow)), fault.Corrupt, "not an advisory"},
	} {
		t.Run(name, func(t *testing.T) {
			err := unpack(t.Context(), tc.in, lim, func(string, []byte) error { return nil })
			if tc.text == "" { // what stands behind the end is never read
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFault(t, err, tc.kind, tc.text)
		})
	}
}

// TestArchiveLimits says that local archives are bounded too.
func TestArchiveLimits(t *testing.T) {
	dir := t.TempDir()
	lim := Limits{Record: 1000, Expanded: 5000, Entries: 3, Name: 64}
	var many, big []member
	for i := range 8 {
		many = append(many, member{name: fmt.Sprint(i, ".json")})
		big = append(big, member{name: fmt.Sprint(i, ".json"), body: strings.Repeat("x", 2400)})
	}
	for name, tc := range map[string]struct{ body, text string }{
		"many.zip":     {string(zipOf(t, many...)), "more than 3 entries"},
		"many.tar":     {string(tarOf(t, many...)), "more than 3 entries"},
		"big.zip":      {string(zipOf(t, big[:3]...)), ""}, // each is cut to 1001 bytes, and no more of it read
		"big.tar":      {string(tarOf(t, big[:3]...)), "expands to more than 5000 bytes"},
		"big.tar.zst":  {string(zstdOf(t, tarOf(t, big[:3]...), ownWindow)), "expands to more than 5000 bytes"},
		"bulky.tar.gz": {string(gzipOf(t, tarOf(t, member{name: "README", body: strings.Repeat("x", 1<<20)}))), "expands to more than 5000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			err := walk(t.Context(), []string{put(t, dir, name, tc.body)}, lim, func(string, []byte) error { return nil })
			if tc.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFault(t, err, fault.TooLarge, tc.text)
		})
	}
}

// FuzzUnpack reads any bytes as a stream. Whatever it hands over obeys the limits and has a name that is
// only a label, and what it accepts whole can be packed and read again.
func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, member{name: "psf/a.json", body: "{}"}), false)
	f.Add(tarOf(f, member{name: "psf/" + strings.Repeat("ü", 120) + ".json", body: "{}"}, member{name: "../b.json"}), false)
	f.Add(zstdOf(f, tarOf(f, member{name: "psf/a.json", body: "{}"}), ownWindow), true)
	f.Fuzz(func(t *testing.T, in []byte, whole bool) {
		if !whole {
			in = zstdOf(t, in, ownWindow)
		}
		lim := Limits{Record: 1000, Expanded: 1 << 20, Entries: 100, Name: 512}
		n := 0
		err := unpack(t.Context(), bytes.NewReader(in), lim, func(name string, raw []byte) error {
			if n++; n > lim.Entries || int64(len(raw)) > lim.Record+1 || !filepath.IsLocal(name) || label(name, lim.Name) != name || !isRecord(name) {
				t.Fatalf("handed over %q with %d bytes as number %d", name, len(raw), n)
			}
			return nil
		})
		if err != nil && fault.KindOf(err) == fault.Other {
			t.Fatalf("an error without a kind: %v", err)
		}
	})
}

// FuzzArchive reads any bytes as each kind of archive that an operator may name.
func FuzzArchive(f *testing.F) {
	good := tarOf(f, member{name: "psf/a.json", body: "{}"}, member{name: "../../b.json", body: "x"})
	f.Add(uint8(0), zipOf(f, member{name: "psf/a.json", body: "{}"}, member{name: "../c.json", body: "y"}))
	f.Add(uint8(1), zstdOf(f, good, ownWindow))
	f.Add(uint8(2), gzipOf(f, good))
	f.Add(uint8(3), good)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, kind uint8, in []byte) {
		name := []string{"x.zip", "x.tar.zst", "x.tar.gz", "x.tar"}[kind%4]
		path := put(t, dir, name, string(in))
		lim := Limits{Record: 1000, Expanded: 1 << 20, Entries: 100, Name: 512}
		n := 0
		err := walk(t.Context(), []string{path}, lim, func(name string, raw []byte) error {
			if n++; n > lim.Entries || int64(len(raw)) > lim.Record+1 || !filepath.IsLocal(name) || !isRecord(name) {
				t.Fatalf("handed over %q with %d bytes as number %d", name, len(raw), n)
			}
			return nil
		})
		if err != nil && fault.KindOf(err) == fault.Other {
			t.Fatalf("an error without a kind: %v", err)
		}
	})
}

// FuzzLabel says that no name of an archive stays dangerous.
func FuzzLabel(f *testing.F) {
	for _, s := range []string{"a/b.json", "../../x", `C:\x\..\y.json`, "//", "a\x00b", strings.Repeat("../é", 200), "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := label(s, 64)
		if l != "" && !filepath.IsLocal(l) || len(l) > 64 || label(l, 64) != l {
			t.Fatalf("label(%q) = %q", s, l)
		}
	})
}
