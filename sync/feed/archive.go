package feed

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
)

// archive returns what reads archives of that name, nil for other files.
func archive(name string) func(*walker, *os.File) error {
	switch name = strings.ToLower(name); {
	case strings.HasSuffix(name, ".zip"):
		return readZip
	case strings.HasSuffix(name, ".tar.zst"):
		return readTarZst
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return readTarGz
	case strings.HasSuffix(name, ".tar"):
		return func(w *walker, f *os.File) error { return readTar(w, f) }
	}
	return nil
}

func readTarZst(w *walker, f *os.File) error {
	z, err := zstd.NewReader(bufio.NewReader(f), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer z.Close()
	return readTar(w, z)
}

func readTarGz(w *walker, f *os.File) error {
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return err
	}
	return readTar(w, z)
}

// readTar reads the records of a tar stream; folders, links and files of other kinds are passed over.
func readTar(w *walker, r io.Reader) error {
	out := &bounded{r: r, left: w.lim.Expanded, most: w.lim.Expanded}
	t := tar.NewReader(out)
	// A sparse file grows without a byte being read, so what comes out of entries is bounded as well.
	left := w.lim.Expanded
	for n := 1; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return out.first(err)
		}
		if n > w.lim.Entries {
			return fault.New(fault.TooLarge, "", "it has more than %d entries", w.lim.Entries)
		}
		if h.Typeflag != tar.TypeReg || !isFile(h.Name) {
			continue
		}
		entry := &bounded{r: t, left: left, most: w.lim.Expanded}
		if err := w.contents(h.Name, entry); err != nil {
			return out.first(entry.first(err))
		}
		left = entry.left
	}
}

// readZip reads the records of a zip file.
func readZip(w *walker, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return err
	}
	if len(z.File) > w.lim.Entries {
		return fault.New(fault.TooLarge, "", "it has more than %d entries", w.lim.Entries)
	}
	left := w.lim.Expanded
	for _, e := range z.File {
		if !e.Mode().IsRegular() || !isFile(e.Name) {
			continue
		}
		r, err := e.Open()
		if err != nil {
			return err
		}
		entry := &bounded{r: r, left: left, most: w.lim.Expanded}
		err = w.contents(e.Name, entry)
		left = entry.left
		r.Close()
		if err != nil {
			return entry.first(err)
		}
	}
	return nil
}

// bounded reads at most left bytes and then fails: the decompressors' own limits do not bound a stream.
type bounded struct {
	r    io.Reader
	left int64
	most int64 // for the text of the error
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.err = fault.New(fault.TooLarge, "", "it expands to more than %d bytes", b.most)
		return 0, b.err
	}
	return n, err
}

// first returns the bound's own error if it is the cause, and err otherwise.
func (b *bounded) first(err error) error {
	if b.err != nil {
		return b.err
	}
	return err
}
