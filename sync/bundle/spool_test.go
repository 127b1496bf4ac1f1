package bundle

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/skerryhq/skerry/engine/fault"
)

// Whoever sends a bundle may break off: that is not this server's failure.
func TestSpoolOfABrokenStream(t *testing.T) {
	gone := errors.New("gone")
	_, err := Spool(io.MultiReader(strings.NewReader("half of it"), iotest.ErrReader(gone)), t.TempDir(), 1000)
	if !fault.Is(err, fault.Unreachable) || !errors.Is(err, gone) || !strings.Contains(err.Error(), "send it again") {
		t.Errorf("%v", err)
	}
	if _, err := Spool(strings.NewReader(strings.Repeat("x", 1001)), t.TempDir(), 1000); !fault.Is(err, fault.TooLarge) {
		t.Errorf("%v", err)
	}
	f, err := Spool(strings.NewReader(strings.Repeat("x", 1000)), t.TempDir(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}
