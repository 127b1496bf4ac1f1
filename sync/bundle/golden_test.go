package bundle

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write the golden bundles of the newest version anew; only for a new version of the format")

// golden reads a file that was made when its version of the format was.
func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func goldenKey(t *testing.T) []model.SignerKey {
	return []model.SignerKey{{Public: string(golden(t, "golden-1.pub.pem"))}}
}

func changesOf(t *testing.T, r *Reader) []model.AdvisoryChange {
	t.Helper()
	var got []model.AdvisoryChange
	if err := r.Each(t.Context(), func(c model.AdvisoryChange) error { got = append(got, c); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestGoldenOne opens a bundle of the first version of the format. It must open for ever; the file is never made again.
func TestGoldenOne(t *testing.T) {
	r, err := Verify(t.Context(), bytes.NewReader(golden(t, "golden-1.zst")), VerifyConfig{Trusted: goldenKey(t), Now: testTime})
	if err != nil {
		t.Fatal(err)
	}
	const hash = "sha256:681115fdbc76379c86b78464424d0ff5facbc6611a34a92d22390439e4edbab1"
	if r.Hash() != hash {
		t.Errorf("hash = %s, want %s", r.Hash(), hash)
	}
	m := r.Manifest()
	if m.From != cursor(2) || m.To != cursor(12) || m.Counts != (Counts{Edges: 8, Deletions: 2}) || m.Origin != testOrigin {
		t.Errorf("manifest = %+v", m)
	}
	got := changesOf(t, r)
	if len(got) != 10 || got[0].Advisory == nil || got[0].Advisory.Affected[0].Ranges[0].Events[1].Fixed != "1.3-1" {
		t.Errorf("changes = %s", mustEncode(t, got))
	}
	if last := got[len(got)-1]; last.Key.ID != "CVE-2025-0010" || last.Advisory != nil || last.Cursor != cursor(10) {
		t.Errorf("last change = %s", mustEncode(t, last))
	}
	rep := Inspect(t.Context(), "golden-1.zst", bytes.NewReader(golden(t, "golden-1.zst")), VerifyConfig{Trusted: goldenKey(t), Now: testTime})
	if s := rep.String(); !rep.Ready || !bytes.Contains([]byte(s), []byte("Canonicals: not counted\n  Edges:      8\n")) {
		t.Errorf("report:\n%s", s)
	}
}

// goldenConfig is what the golden bundles of version 2 were made of.
func goldenConfig(t *testing.T) WriteConfig {
	c := testConfig(t, testChanges(12))
	c.Signer, c.From, c.Changes = testKey(t, "golden"), cursor(2), each(testChanges(12)[2:])
	c.Announce = trust(t, testKey(t, "next"))
	c.Announce[0].Name, c.Announce[0].RetiresAt, c.Announce[0].Purposes = "golden-2", testTime.Add(time.Hour), []string{model.PurposeFederation}
	return c
}

// TestGoldenTwo is the same for the second version: a whole bundle, and a set of three parts.
func TestGoldenTwo(t *testing.T) {
	if *rewrite {
		files := map[string][]byte{"golden-2.zst": write(t, goldenConfig(t))}
		for i, b := range cutAt(t, goldenConfig(t), 4, 7) {
			files[fmt.Sprintf("golden-2-%d.part", i+1)] = b
		}
		for name, b := range files {
			if err := os.WriteFile(filepath.Join("testdata", name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := VerifyConfig{Trusted: goldenKey(t), Now: testTime}
	whole, err := Verify(t.Context(), bytes.NewReader(golden(t, "golden-2.zst")), c)
	if err != nil {
		t.Fatal(err)
	}
	var srcs []io.ReadSeeker
	for _, n := range []int{3, 1, 2} {
		srcs = append(srcs, bytes.NewReader(golden(t, fmt.Sprintf("golden-2-%d.part", n))))
	}
	set, err := VerifySet(t.Context(), srcs, c)
	if err != nil {
		t.Fatal(err)
	}
	want := map[*Reader]string{
		whole: "sha256:96a8b809aa206592874432ca71357bb41225eb9a917ec4854b5c53ee9463564d",
		set:   "sha256:2583e42f9e915da635bf9343205737c871618938e9484e8c91af74608587d886",
	}
	for r, hash := range want {
		m := r.Manifest()
		if r.Hash() != hash {
			t.Errorf("hash = %s, want %s", r.Hash(), hash)
		}
		if m.From != cursor(2) || m.To != cursor(12) || m.Counts != (Counts{Canonicals: 6, Edges: 8, Deletions: 2}) || m.Origin != testOrigin || m.Split != nil {
			t.Errorf("manifest = %+v", m)
		}
		if keys := r.Announced(); len(keys) != 1 || keys[0].ID != KeyID(&testKey(t, "next").PublicKey) || keys[0].RetiresAt != testTime.Add(time.Hour) || keys[0].Name != "golden-2" {
			t.Errorf("announced = %+v", keys)
		}
		if got := changesOf(t, r); len(got) != 10 || got[0].Canonical != "CVE-2025-0002" && got[0].Canonical != "CVE-2025-0004" {
			t.Errorf("changes = %s", mustEncode(t, got))
		}
	}
	// What is written today is what was written then, but for the compression.
	p, err := Prepare(t.Context(), goldenConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Hash() != whole.Hash() {
		t.Errorf("the same state has the hash %s today", p.Hash())
	}
}
