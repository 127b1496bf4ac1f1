package bundle

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write the golden bundle anew; only for a new version of the format")

// TestGolden opens a bundle that was made when this version of the format was. It must open for ever;
// the file is never made again for that version.
func TestGolden(t *testing.T) {
	file, public := filepath.Join("testdata", "golden-1.zst"), filepath.Join("testdata", "golden-1.pub.pem")
	if *rewrite {
		pub, err := EncodePublic(&testKey(t, "golden").PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		c := testConfig(t, testChanges(12))
		c.Signer, c.From = testKey(t, "golden"), cursor(2)
		c.Changes = each(testChanges(12)[2:])
		for name, b := range map[string][]byte{file: write(t, c), public: pub} {
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	pub, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Verify(t.Context(), f, VerifyConfig{Trusted: []model.SignerKey{{Public: string(pub)}}, Now: testTime})
	if err != nil {
		t.Fatal(err)
	}
	const hash = "sha256:681115fdbc76379c86b78464424d0ff5facbc6611a34a92d22390439e4edbab1"
	if r.Hash() != hash {
		t.Errorf("hash = %s, want %s", r.Hash(), hash)
	}
	m := r.Manifest()
	if m.From != cursor(2) || m.To != cursor(12) || m.Counts != (Counts{8, 2}) || m.Origin != testOrigin {
		t.Errorf("manifest = %+v", m)
	}
	var got []model.AdvisoryChange
	if err := r.Each(t.Context(), func(c model.AdvisoryChange) error { got = append(got, c); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 10 || got[0].Advisory == nil || got[0].Advisory.Affected[0].Ranges[0].Events[1].Fixed != "1.3-1" {
		t.Errorf("changes = %s", mustEncode(t, got))
	}
	if last := got[len(got)-1]; last.Key.ID != "CVE-2025-0010" || last.Advisory != nil || last.Cursor != cursor(10) {
		t.Errorf("last change = %s", mustEncode(t, last))
	}
}

// fuzzLimits keeps one execution small.
func fuzzLimits() *Limits {
	l := DefaultLimits()
	l.Compressed, l.Expanded, l.Line, l.Manifest, l.Signature = 1<<20, 1<<22, 1<<16, 1<<16, 1<<17
	return &l
}

// tryFile gives a file of unknown origin to all readers. What it must never do is panic, hang, fail with a
// kind that says "bug", or disagree with itself.
func tryFile(t *testing.T, file []byte, c VerifyConfig) {
	r, err := Verify(t.Context(), bytes.NewReader(file), c)
	rep := Inspect(t.Context(), "x", bytes.NewReader(file), c)
	if rep.Ready != (err == nil) {
		t.Fatalf("Verify says %v, Inspect says\n%s", err, rep)
	}
	if err != nil {
		if fault.KindOf(err) == fault.Other {
			t.Fatalf("an error without a kind: %v", err)
		}
		return
	}
	n := 0
	if err := r.Each(t.Context(), func(model.AdvisoryChange) error { n++; return nil }); err != nil || n != r.Manifest().Counts.Total() {
		t.Fatalf("verified, but Each gave %d of %d changes and %v", n, r.Manifest().Counts.Total(), err)
	}
}

// FuzzVerify reads any bytes as a file.
func FuzzVerify(f *testing.F) {
	file := write(f, testConfig(f, testChanges(7)))
	f.Add(file)
	f.Add(file[:len(file)-9])
	golden, err := os.ReadFile(filepath.Join("testdata", "golden-1.zst"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add(wideFrame())
	c := good(f)
	c.Limits = fuzzLimits()
	f.Fuzz(func(t *testing.T, b []byte) { tryFile(t, b, c) })
}

// FuzzTar reads any bytes as what is inside the compression.
func FuzzTar(f *testing.F) {
	es := unpack(f, write(f, testConfig(f, testChanges(2))))
	for _, n := range []int{4, 3} {
		f.Add(tarOf(f, es[:n]))
	}
	c := good(f)
	c.Limits = fuzzLimits()
	f.Fuzz(func(t *testing.T, b []byte) { tryFile(t, squeeze(t, b), c) })
}

// FuzzLines reads any bytes as parts that a trusted key signed.
func FuzzLines(f *testing.F) {
	es := unpack(f, write(f, testConfig(f, testChanges(7))))
	f.Add([]byte(es[1].body), []byte(es[2].body))
	f.Add([]byte(`{"source":"a","id":"b","cursor":"2025-01-15T10:30:00.000Z#0001","affected":[{"ecosystem":"","name":"","ranges":[null]}]}`+"\n"), []byte("\n"))
	c := good(f)
	c.Limits = fuzzLimits()
	f.Fuzz(func(t *testing.T, a, d []byte) { tryFile(t, resignParts(t, model.Cursor{}, string(a), string(d)), c) })
}

// TestEveryPrefix cuts a bundle after every byte.
func TestEveryPrefix(t *testing.T) {
	file := write(t, testConfig(t, testChanges(3)))
	c := good(t)
	for n := range file {
		if _, err := Verify(t.Context(), bytes.NewReader(file[:n]), c); err == nil || fault.KindOf(err) == fault.Other {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(file), err)
		}
	}
}

// TestEveryBit flips one bit of every byte. Whatever is still accepted must be the very same bundle.
func TestEveryBit(t *testing.T) {
	file := write(t, testConfig(t, testChanges(3)))
	c := good(t)
	want, err := Verify(t.Context(), bytes.NewReader(file), c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range file {
		b := bytes.Clone(file)
		b[i] ^= 1 << (i % 8)
		if r, err := Verify(t.Context(), bytes.NewReader(b), c); err == nil && r.Hash() != want.Hash() {
			t.Fatalf("byte %d altered: accepted as %s", i, r.Hash())
		}
	}
}
