package detail

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// TestALogFileWithoutAByte is what a kill leaves between the creation of a log file and its first byte.
func TestALogFileWithoutAByte(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	host := model.HostID{1, 2}
	sum, err := s.Put(host, Packages, 1, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"000099.vlog", "00099.mem"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = Open(dir, Options{MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if body, ok, err := s.Body(sum); err != nil || !ok || string(body) != `{"a":1}` {
		t.Errorf("%s, %v, %v", body, ok, err)
	}
}
