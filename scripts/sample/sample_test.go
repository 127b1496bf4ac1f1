package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// shipped returns the files of the sample as it stands in the repository.
func shipped(t *testing.T) map[string][]byte {
	t.Helper()
	raw, err := os.ReadFile("data/advisories.tar.zst")
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 2<<20 {
		t.Errorf("the sample has %d bytes; it should stay below 2 MiB", len(raw))
	}
	z, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string][]byte{}
	tr := tar.NewReader(z)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || out[h.Name] != nil {
			t.Errorf("%s is no plain file, or there twice", h.Name)
		}
		out[h.Name] = body
	}
}

// allowed are the members of a record that state facts, and what may be in each of them; nil is a plain
// value. "*" stands for the entries of a list.
var allowed = map[string][]string{
	"":                   {"schema_version", "id", "modified", "published", "aliases", "upstream", "related", "severity", "affected", "database_specific"},
	".database_specific": {"severity"}, ".aliases": {"*"}, ".upstream": {"*"}, ".related": {"*"},
	".severity": {"*"}, ".severity.*": {"type", "score"},
	".affected": {"*"}, ".affected.*": {"package", "ranges", "versions", "severity", "database_specific"},
	".affected.*.package": {"ecosystem", "name"}, ".affected.*.versions": {"*"},
	".affected.*.database_specific": {"severity"},
	".affected.*.severity":          {"*"}, ".affected.*.severity.*": {"type", "score"},
	".affected.*.ranges": {"*"}, ".affected.*.ranges.*": {"type", "events"},
	".affected.*.ranges.*.events": {"*"}, ".affected.*.ranges.*.events.*": {"introduced", "fixed", "last_affected", "limit"},
}

func checkFacts(at string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			if !slices.Contains(allowed[at], k) {
				return fmt.Errorf("%q is not a fact at %q", k, at)
			}
			if err := checkFacts(at+"."+k, below); err != nil {
				return err
			}
		}
	case []any:
		if !slices.Contains(allowed[at], "*") {
			return fmt.Errorf("a list at %q", at)
		}
		for _, below := range v {
			if err := checkFacts(at+".*", below); err != nil {
				return err
			}
		}
	case string:
		// Facts are short and of one line; prose has spaces. Only ecosystems have names with spaces.
		if len(v) > 256 || strings.ContainsAny(v, "\n\r\t") || strings.Contains(v, " ") && !strings.HasSuffix(at, ".ecosystem") {
			return fmt.Errorf("%q at %q is no fact", v, at)
		}
	default:
		return fmt.Errorf("%v at %q is no text", v, at)
	}
	return nil
}

func TestCheckFactsCanFail(t *testing.T) {
	for _, raw := range []string{
		`{"summary":"x"}`, `{"details":"x"}`, `{"credits":[]}`, `{"references":[]}`, `{"id":"two words"}`, `{"id":7}`,
		`{"affected":[{"ecosystem_specific":{}}]}`, `{"affected":[{"package":{"purl":"x"}}]}`, `{"id":["x"]}`, `{"database_specific":{"cwe_ids":[]}}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(raw), &v); err != nil {
			t.Fatal(err)
		}
		if checkFacts("", v) == nil {
			t.Errorf("%s passes for facts", raw)
		}
	}
}

// TestShippedSample holds what ships to what the NOTICE says of it: facts only, every record readable as
// it stands, every source named with its number of records.
func TestShippedSample(t *testing.T) {
	notice, err := os.ReadFile("NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	files := shipped(t)
	for name, raw := range files {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := checkFacts("", v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		a, err := canonical.DecodeFile("", name, raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a.Summary != "" || a.Source != path.Base(path.Dir(name)) {
			t.Errorf("%s has source %q, summary %q", name, a.Source, a.Summary)
		}
		if again, err := encode(a); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%s is not as it would be written: %v", name, err)
		}
		count[a.Source]++
	}
	for source, n := range count {
		i := slices.IndexFunc(origins, func(o origin) bool { return o.source == source })
		if i < 0 {
			t.Errorf("source %s has no origin", source)
			continue
		}
		o := origins[i]
		for _, want := range []string{fmt.Sprintf("\n%s (%d records)\n", source, n), o.from, o.state, o.licence} {
			if !strings.Contains(string(notice), want) {
				t.Errorf("the NOTICE does not say %q", want)
			}
		}
	}
	for _, want := range []string{fmt.Sprintf("%d vulnerability records", len(files)), "go run ./scripts/sample -osv DIR", "Permission is hereby granted"} {
		if !strings.Contains(string(notice), want) {
			t.Errorf("the NOTICE does not say %q", want)
		}
	}
	t.Logf("%d records: %v", len(files), count)
}

// shelf is the sample as exposure looks things up.
type shelf struct {
	pkgs  map[[2]string][]model.Advisory
	names map[string][]model.Advisory
}

func (s shelf) AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error {
	for _, a := range s.pkgs[[2]string{ecosystem, pkg}] {
		if err := fn(a); err != nil {
			return err
		}
	}
	return nil
}

func (s shelf) AdvisoriesNaming(id string) ([]model.Advisory, error) { return s.names[id], nil }

// TestSampleFinds matches the sample against Debian 12 as it was released, and against versions that
// nothing is known against: the demonstration must show something, and nothing that is not so.
func TestSampleFinds(t *testing.T) {
	s := shelf{map[[2]string][]model.Advisory{}, map[string][]model.Advisory{}}
	for name, raw := range shipped(t) {
		a, err := canonical.DecodeFile("", name, raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range a.Affected {
			k := [2]string{e.Ecosystem, e.Name}
			s.pkgs[k] = append(s.pkgs[k], a)
		}
		for _, id := range exposure.Identifiers(a) {
			s.names[id] = append(s.names[id], a)
		}
	}
	inventory := func(curl, ssl, linux string) model.Inventory {
		return model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{
			{Manager: "dpkg", Name: "libcurl4", Version: curl, Source: "curl", SourceVersion: curl},
			{Manager: "dpkg", Name: "libssl3", Version: ssl, Source: "openssl", SourceVersion: ssl},
			{Manager: "dpkg", Name: "linux-libc-dev", Version: linux, Source: "linux", SourceVersion: linux},
		}}
	}
	found, counts, err := exposure.Match(inventory("7.88.1-10", "3.0.9-1", "6.1.27-1"), s)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(found, func(f model.Finding) bool {
		return f.Vulnerability == "CVE-2023-38545" && f.Package == "libcurl4" && f.Fixed == "7.88.1-10+deb12u4" && f.Verdict == model.VerdictAffected
	}) {
		t.Error("CVE-2023-38545 was not found in curl 7.88.1-10")
	}
	if counts.Total() < 1000 || counts.Total() == counts.Unknown || counts.Uncertain != 0 {
		t.Errorf("release state: %+v", counts)
	}
	found, _, err = exposure.Match(inventory("99", "99", "99"), s)
	if err != nil || len(found) != 0 {
		t.Errorf("found in versions of the future: %v %v", found, err)
	}
	t.Logf("release state: %+v", counts)
}
