// Package recorded reads recorded real data that is not part of the project: where it lies, and the archives in it.
//
// It owns the way to them and nothing of their content. It never writes beside them.
package recorded

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Path returns where the data of that name is expected: in the folder data of the folder that SKERRY_SHARED names, or of ../shared.
// The error says what to set where it is not there.
func Path(name string) (string, error) {
	shared := os.Getenv("SKERRY_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "shared")
	}
	path := filepath.Join(shared, "data", name)
	if _, err := os.Stat(path); err != nil {
		return "", errors.Join(err, errors.New("set SKERRY_SHARED to the folder that has data/"+name))
	}
	return path, nil
}

// Each calls fn with every file of a tar.zst; body is valid during the call only.
func Each(path string, fn func(name string, body []byte) error) error {
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
	var buf []byte
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if int(h.Size) > cap(buf) {
			buf = make([]byte, 2*h.Size)
		}
		buf = buf[:h.Size]
		if _, err := io.ReadFull(t, buf); err != nil {
			return err
		}
		if err := fn(strings.TrimPrefix(h.Name, "./"), buf); err != nil {
			return err
		}
	}
}

// Split is what SplitNewest made.
type Split struct {
	Older, Newer   string // archives
	OlderN, NewerN int
	Since          time.Time // a newer record was published after it
}

// SplitNewest writes the OSV records of a tar.zst into dir as two: the n newest by when they were published, or as few as there are with
// other times, and the rest. A record without a readable time is an old one.
func SplitNewest(path, dir string, n int) (s Split, err error) {
	published := func(body []byte) time.Time {
		var r struct{ Published time.Time }
		_ = json.Unmarshal(body, &r)
		return r.Published
	}
	var all []time.Time
	err = Each(path, func(_ string, body []byte) error {
		all = append(all, published(body))
		return nil
	})
	if err != nil || len(all) == 0 {
		return s, errors.Join(err, errors.New(path+" has no records"))
	}
	slices.SortFunc(all, func(a, b time.Time) int { return b.Compare(a) })
	s = Split{Older: filepath.Join(dir, "older.tar.zst"), Newer: filepath.Join(dir, "newer.tar.zst"), Since: all[min(n, len(all)-1)]}
	older, err := create(s.Older)
	if err != nil {
		return s, err
	}
	newer, err := create(s.Newer)
	if err != nil {
		return s, errors.Join(err, older.close())
	}
	err = Each(path, func(name string, body []byte) error {
		if published(body).After(s.Since) {
			s.NewerN++
			return newer.add(name, body)
		}
		s.OlderN++
		return older.add(name, body)
	})
	return s, errors.Join(err, older.close(), newer.close())
}

// archive is a tar.zst that is written.
type archive struct {
	f *os.File
	z *zstd.Encoder
	t *tar.Writer
}

func create(path string) (*archive, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &archive{f, z, tar.NewWriter(z)}, nil
}

func (a *archive) add(name string, body []byte) error {
	if err := a.t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := a.t.Write(body)
	return err
}

func (a *archive) close() error { return errors.Join(a.t.Close(), a.z.Close(), a.f.Close()) }
