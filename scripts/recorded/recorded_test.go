package recorded

import (
	"fmt"
	"path/filepath"
	"testing"
)

// What SplitNewest wrote is read again: every record is in one of the two, and no older one among the newer.
func TestSplitNewest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all.tar.zst")
	a, err := create(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if err := a.add(fmt.Sprintf("s/%02d.json", i), fmt.Appendf(nil, `{"published":"2026-01-%02dT00:00:00Z"}`, i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.add("s/odd.json", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	s, err := SplitNewest(path, t.TempDir(), 5)
	if err != nil || s.NewerN != 5 || s.OlderN != 26 {
		t.Fatalf("%+v, %v", s, err)
	}
	var names []string
	for _, file := range []string{s.Newer, s.Older} {
		if err := Each(file, func(name string, _ []byte) error { names = append(names, name); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) != 31 || names[0] != "s/25.json" || names[5] != "s/00.json" || names[30] != "s/odd.json" {
		t.Errorf("%q", names)
	}
}
