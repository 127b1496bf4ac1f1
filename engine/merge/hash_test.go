package merge

import (
	"bufio"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the vectors of this scheme anew")

// The hashes of a scheme never change: other servers, and what people wrote down, name canonicals by them. The file of an
// earlier scheme stays, and is read by whoever keeps that scheme.
func TestHashVectors(t *testing.T) {
	path := filepath.Join("testdata", "hash-1.tsv")
	if Scheme != "skerry-canonical/1" {
		t.Fatalf("the scheme is %s, and %s is of the first", Scheme, path)
	}
	ids := []string{"CVE-2021-44228", "CVE-2024-3094", "GHSA-jfh8-c2jp-5v3q", "RUSTSEC-2020-0014", "GO-2021-0083", "ALSA-2024:0001", "DSA-1-1~2", "X-1~acme", "a\"b\\c", "é"}
	if *rewrite {
		var b strings.Builder
		for _, id := range ids {
			b.WriteString(id + "\t" + Hash(id) + "\n")
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		id, want, _ := strings.Cut(lines.Text(), "\t")
		if got := Hash(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if n != len(ids) {
		t.Errorf("%d vectors, want %d", n, len(ids))
	}
	if Hash("GHSA-jfh8-c2jp-5v3q") != Hash(" ghsa-JFH8-c2jp-5v3q") {
		t.Error("the case of an id changes the identity")
	}
	if Hash("bad \xff") != Hash("bad \uFFFD") {
		t.Error("what is no text has a hash of its own")
	}
}
