package proof

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// sharedData returns the path of a data archive, or skips the test where the data is absent.
func sharedData(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("SKERRY_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(dir, "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED, NOTHING PROVEN: %v (set SKERRY_SHARED to the folder that holds data/%s)", err, name)
	}
	return path
}

// eachEntry calls fn with the files of a tar.zst whose names start with one of the prefixes. body is
// only valid during the call.
func eachEntry(path string, prefixes []string, fn func(name string, body []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(1<<27), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	tr := tar.NewReader(z)
	var buf []byte
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(h.Name, "./")
		wanted := false
		for _, p := range prefixes {
			wanted = wanted || strings.HasPrefix(name, p)
		}
		if h.Typeflag != tar.TypeReg || !wanted {
			continue
		}
		if int(h.Size) > cap(buf) {
			buf = make([]byte, 2*h.Size)
		}
		buf = buf[:h.Size]
		if _, err := io.ReadFull(tr, buf); err != nil {
			return err
		}
		if err := fn(name, buf); err != nil {
			return err
		}
	}
}

// extras returns the files of dev-extras by name.
var extras = sync.OnceValues(func() (map[string][]byte, error) {
	out := map[string][]byte{}
	err := eachEntry(extrasPath, []string{"inventories/", "expected/", "oracles/"}, func(name string, body []byte) error {
		out[name] = append([]byte(nil), body...)
		return nil
	})
	return out, err
})

// extrasPath and osvPath are set before extras and tree are first called.
var extrasPath, osvPath string

func mustExtras(t testing.TB) map[string][]byte {
	t.Helper()
	extrasPath = sharedData(t, "dev-extras.tar.zst")
	m, err := extras()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// refusal is a record that did not decode.
type refusal struct {
	name string
	err  error
}

// shelf is the whole advisory tree in memory, indexed as a store would.
type shelf struct {
	all      int
	bytes    int64
	sources  map[string]int
	refused  []refusal
	keys     map[model.AdvisoryKey]string // to the file it came from
	repeated []string
	decoding time.Duration
	pkgs     map[[2]string][]model.Advisory
	names    map[string][]model.Advisory
	records  map[model.AdvisoryKey]model.Advisory
	had      map[string][]model.AdvisoryKey // by identity
}

func (s *shelf) add(a model.Advisory) {
	s.records[a.AdvisoryKey] = a
	for _, id := range merge.Identities(a) {
		s.had[id] = append(s.had[id], a.AdvisoryKey)
	}
	seen := map[[2]string]bool{}
	for _, e := range a.Affected {
		k := [2]string{e.Ecosystem, e.Name}
		if !seen[k] {
			seen[k] = true
			s.pkgs[k] = append(s.pkgs[k], a)
		}
	}
	ids := map[string]bool{}
	for _, list := range [][]string{{a.ID}, a.Aliases, a.Upstream, a.Related} {
		for _, id := range list {
			if id = strings.ToUpper(id); !ids[id] {
				ids[id] = true
				s.names[id] = append(s.names[id], a)
			}
		}
	}
}

// AdvisoriesFor implements exposure.Shelf.
func (s *shelf) AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error {
	for _, a := range s.pkgs[[2]string{ecosystem, pkg}] {
		if err := fn(a); err != nil {
			return err
		}
	}
	return nil
}

// AdvisoriesNaming implements exposure.Shelf.
func (s *shelf) AdvisoriesNaming(id string) ([]model.Advisory, error) {
	return s.names[strings.ToUpper(id)], nil
}

func newShelf() *shelf {
	return &shelf{
		records: map[model.AdvisoryKey]model.Advisory{}, had: map[string][]model.AdvisoryKey{},
		sources: map[string]int{}, keys: map[model.AdvisoryKey]string{}, pkgs: map[[2]string][]model.Advisory{}, names: map[string][]model.Advisory{},
	}
}

// tree reads every record of dev-osv once.
var tree = sync.OnceValues(func() (*shelf, error) {
	s := newShelf()
	err := eachEntry(osvPath, []string{"osv/"}, func(name string, body []byte) error {
		if !strings.HasSuffix(name, ".json") {
			return nil
		}
		s.all++
		s.bytes += int64(len(body))
		start := time.Now()
		a, err := canonical.DecodeFile("", name, body)
		s.decoding += time.Since(start)
		if err != nil {
			s.refused = append(s.refused, refusal{name, err})
			return nil
		}
		a = merge.Judge(a, nil) // as a server takes it in
		s.sources[a.Source]++
		if was, ok := s.keys[a.AdvisoryKey]; ok {
			s.repeated = append(s.repeated, was+" and "+name)
		}
		s.keys[a.AdvisoryKey] = name
		s.add(a)
		return nil
	})
	return s, err
})

func mustTree(t testing.TB) *shelf {
	t.Helper()
	osvPath = sharedData(t, "dev-osv.tar.zst")
	s, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
