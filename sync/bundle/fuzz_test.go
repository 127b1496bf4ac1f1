package bundle

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

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
	if err := r.Each(t.Context(), func(model.AdvisoryChange) error { n++; return nil }); err != nil || n != r.Manifest().Counts.Changes() {
		t.Fatalf("verified, but Each gave %d of %d changes and %v", n, r.Manifest().Counts.Changes(), err)
	}
}

// FuzzVerify reads any bytes as a file.
func FuzzVerify(f *testing.F) {
	file := write(f, testConfig(f, testChanges(7)))
	f.Add(file)
	f.Add(file[:len(file)-9])
	for _, name := range []string{"golden-1.zst", "golden-2.zst", "golden-2-2.part"} {
		golden, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(golden)
	}
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
	unsigned := c
	unsigned.SkipSignature = true
	f.Fuzz(func(t *testing.T, b []byte) {
		tryFile(t, b, c)
		tryFile(t, b, unsigned)
	})
}

// FuzzEnvelope reads any bytes as an envelope over the manifest of a bundle that is otherwise whole.
func FuzzEnvelope(f *testing.F) {
	es := unpack(f, write(f, testConfig(f, testChanges(2))))
	f.Add([]byte(es[3].body))
	f.Add([]byte(`{"payloadType":"` + PayloadType + `","payload":"","signatures":[{"keyid":"","sig":""}]}`))
	c := good(f)
	key := c.Trusted
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := verifySignature(seen{manifest: []byte(es[0].body), envelope: b}, c)
		if err == nil {
			_, err = v.enough(c, false)
		}
		if k := fault.KindOf(err); err != nil && k != fault.Denied && k != fault.Corrupt && k != fault.TooLarge {
			t.Fatalf("an error of kind %s: %v", k, err)
		}
		payload, signers, other := Unseal(b, PayloadType, key, c.Now, model.PurposeFederation)
		if err == nil && (other != nil || string(payload) != es[0].body || len(signers) != 1) {
			t.Fatalf("a signature that holds is refused alone: %v", other)
		}
		if other != nil && payload != nil {
			t.Fatal("a payload that nobody signed was handed over")
		}
	})
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

// FuzzManifest reads any bytes as a manifest that a trusted key signed, alone and as a part of a set.
func FuzzManifest(f *testing.F) {
	for _, file := range [][]byte{write(f, testConfig(f, testChanges(3))), cutAt(f, testConfig(f, testChanges(3)), 2)[0]} {
		f.Add([]byte(unpack(f, file)[0].body))
	}
	es := unpack(f, write(f, testConfig(f, testChanges(3))))
	c := good(f)
	c.Limits = fuzzLimits()
	f.Fuzz(func(t *testing.T, b []byte) {
		file := resign(t, es, func(string) string { return string(b) }, testKey(t, "signer"))
		tryFile(t, file, c)
		if _, err := VerifySet(t.Context(), readers(file, file), c); err == nil || fault.KindOf(err) == fault.Other {
			t.Fatalf("one file twice: %v", err)
		}
	})
}
