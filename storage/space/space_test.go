package space

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

// disk is one whose free space a test sets; the ballast takes up room on it.
type disk struct {
	free, total int64
	err         error
}

func (d *disk) look(dir string) (int64, int64, error) {
	free := d.free
	if info, err := os.Stat(filepath.Join(dir, ballast)); err == nil {
		free -= info.Size()
	}
	return free, d.total, d.err
}

// TestLevels: a disk that fills and empties, with what is expected of each moment. Free is what others leave; the
// ballast is taken off it.
func TestLevels(t *testing.T) {
	dir := t.TempDir()
	d := &disk{free: 10_000, total: 20_000}
	var levels []Level
	s, err := Open(Config{Dir: dir, Low: 1000, Critical: 400, Ballast: 300, Free: d.look, Changed: func(l Level) { levels = append(levels, l) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		free int64
		want Level
		held bool
	}{
		{10_000, Plenty, true},
		{1300, Plenty, true},
		{1299, Low, true}, // 999 beside the ballast
		{1549, Low, true}, // not enough yet to be plenty again
		{1550, Plenty, true},
		{700, Low, true},
		{699, Critical, false}, // given up, and seen with the next look
		{699, Low, false},
		{399, Critical, false},
		{0, Critical, false},
		{1249, Low, false},
		{1250, Plenty, false}, // with the ballast it would be low again
		{1549, Plenty, false},
		{1550, Plenty, true},
	} {
		d.free = tc.free
		s.Look()
		_, err := os.Stat(filepath.Join(dir, ballast))
		if st := s.State(); st.Level != tc.want || (st.Ballast > 0) != tc.held || errors.Is(err, fs.ErrNotExist) == tc.held {
			t.Fatalf("with %d: %+v, %v; want %v and %t", tc.free, st, err, tc.want, tc.held)
		}
		for _, at := range []Level{Low, Critical} {
			if err := s.Err(at); (err != nil) != (tc.want >= at) || err != nil && (!fault.Is(err, fault.Full) || !strings.Contains(err.Error(), "enlarge the disk")) {
				t.Errorf("with %d, asked at %v: %v", tc.free, at, err)
			}
		}
	}
	if want := []Level{Low, Plenty, Low, Critical, Low, Critical, Low, Plenty}; !slices.Equal(levels, want) {
		t.Errorf("told of %v, want %v", levels, want)
	}
	d.err = errors.New("no answer")
	d.free = 0
	if s.Look(); s.State().Level != Plenty {
		t.Error("without an answer the level changed")
	}
}

func TestOpenOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ballast), make([]byte, 300), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{Dir: dir, Low: 1000, Critical: 400, Ballast: 300, Free: (&disk{free: 310, total: 20_000}).look})
	if err != nil || s.State().Level != Critical {
		t.Fatalf("%+v, %v", s.State(), err)
	}
	if _, err := os.Stat(filepath.Join(dir, ballast)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the ballast of the last run was kept")
	}
	if _, err := Open(Config{Dir: dir, Low: 10, Critical: 10}); !fault.Is(err, fault.Invalid) {
		t.Errorf("marks that do not fit: %v", err)
	}
	if _, err := Open(Config{Dir: filepath.Join(dir, "nothing")}); err == nil {
		t.Error("a folder that is not there")
	}
}

// TestTheSystem: the marks follow from the disk, and the ballast takes up what it says.
func TestTheSystem(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Config{Dir: dir, Ballast: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	st := s.State()
	if st.Total <= 0 || st.Free > st.Total || st.Low != min(maxLow, st.Total/20) || st.Critical != st.Low/2 {
		t.Errorf("%+v", st)
	}
	if st.Level != Plenty {
		t.Skip("THE DISK IS NEARLY FULL: the ballast is not tried")
	}
	info, err := os.Stat(filepath.Join(dir, ballast))
	if err != nil || info.Size() != 1<<20 || st.Ballast != 1<<20 {
		t.Errorf("%+v %v %v", st, info, err)
	}
}

// TestFits: what is about to be written must leave the mark low free, by what is free now.
func TestFits(t *testing.T) {
	d := &disk{free: 10_300, total: 20_000}
	s, err := Open(Config{Dir: t.TempDir(), Low: 1000, Critical: 400, Ballast: 300, Free: d.look})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Fits(9000); err != nil {
		t.Error(err)
	}
	if err := s.Fits(9001); !fault.Is(err, fault.Full) || !strings.Contains(err.Error(), "8.8 KiB") || !strings.Contains(err.Error(), "9.8 KiB left") {
		t.Errorf("%v", err)
	}
	d.free = 5300 // since it was looked at
	if err := s.Fits(9000); !fault.Is(err, fault.Full) {
		t.Errorf("%v", err)
	}
	d.free = 900
	s.Look()
	if err := s.Fits(0); !fault.Is(err, fault.Full) {
		t.Errorf("%v", err)
	}
}
