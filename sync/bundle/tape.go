package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

const (
	// block is the unit of a tar stream.
	block = 512
	// maxTail is how many blocks of zeros may end a tar stream: two end it, and tar programs fill a record of twenty.
	maxTail = 20
)

// header has nothing in it that differs between two writers of the same state.
func header(name string, size int64, m Manifest) *tar.Header {
	// USTAR has whole seconds.
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(m.CreatedAt.Std().Unix(), 0), Format: tar.FormatUSTAR}
}

// headerBlock returns the header of an entry.
func headerBlock(name string, size int64, m Manifest) ([]byte, error) {
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(header(name, size, m))
	return b.Bytes(), err
}

// padding returns the zeros behind an entry of that size.
func padding(size int64) []byte {
	return make([]byte, (block-size%block)%block)
}

// tape reads a tar stream of plain USTAR files (POSIX.1-1988 ustar interchange format) and nothing else. It has no code for
// links, devices, sparse files, PAX records or GNU extensions, by which two readers could see two different
// files; every byte that is no content must be what it has to be.
//
//	header, of 512 bytes: name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, link 100, "ustar\0" "00",
//	user 32, group 32, device 8 8, prefix 155, zeros 12
type tape struct {
	r    io.Reader
	n    int   // entries begun
	left int64 // bytes of the entry that were not read yet
	pad  int64 // zeros behind it
}

// next goes to the next entry. Its error is io.EOF behind the last one, when the stream has ended too.
func (t *tape) next() (name string, err error) {
	if err := t.finish(); err != nil {
		return "", err
	}
	var h [block]byte
	switch _, err := io.ReadFull(t.r, h[:]); {
	case err == io.EOF: // archive programs always write an end; without one the file may be cut
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	if h == ([block]byte{}) {
		return "", t.tail()
	}
	t.n++
	return t.parse(&h)
}

// Read reads the content of the entry.
func (t *tape) Read(p []byte) (int, error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > t.left {
		p = p[:t.left]
	}
	n, err := t.r.Read(p)
	t.left -= int64(n)
	if err == io.EOF {
		err = nil
		if t.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// finish goes behind the entry and its padding.
func (t *tape) finish() error {
	if _, err := io.Copy(io.Discard, t); err != nil {
		return err
	}
	var zeros [block]byte
	rest := zeros[:t.pad]
	t.pad = 0
	if _, err := io.ReadFull(t.r, rest); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	for _, c := range rest {
		if c != 0 {
			return fault.New(fault.Corrupt, "read bundle", "there are bytes between entry %d and the next", t.n)
		}
	}
	return nil
}

// tail reads what is left behind the first block of zeros: at least one more, nothing else.
func (t *tape) tail() error {
	var b, zeros [block]byte
	for n := 1; ; n++ {
		switch _, err := io.ReadFull(t.r, b[:]); {
		case err == io.EOF && n >= 2:
			return io.EOF
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		case err != nil || b != zeros || n >= maxTail:
			return fault.New(fault.Corrupt, "read bundle", "there are bytes behind the last entry")
		}
	}
}

func (t *tape) parse(h *[block]byte) (string, error) {
	bad := func(why string) (string, error) {
		return "", fault.New(fault.Corrupt, "read bundle", "entry %d is not a plain USTAR file: %s", t.n, why)
	}
	sum := int64(8 * ' ')
	for i, c := range h {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	// Six digits, a zero and a blank: the sum says nothing of how it is written itself.
	if string(h[148:156]) != fmt.Sprintf("%06o\x00 ", sum) {
		return "", fault.New(fault.Corrupt, "read bundle", "the file is damaged or is no bundle: entry %d is no tar header", t.n)
	}
	name, _, _ := bytes.Cut(h[:100], []byte{0})
	size, ok := octal(h[124:136])
	switch {
	case string(h[257:265]) != "ustar\x0000":
		return bad("it has another form of header")
	case h[156] != tar.TypeReg:
		return bad("its type is " + strconv.QuoteRune(rune(h[156])))
	case !blank(h[len(name):100]) || !blank(h[157:257]) || !blank(h[345:512]):
		return bad("it has a link, a prefix or more")
	case !ok:
		return bad("it has no size")
	}
	t.left, t.pad = size, int64(len(padding(size)))
	return string(name), nil
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// octal reads a number of octal digits, with blanks or zeros around it as writers of tar differ.
func octal(b []byte) (int64, bool) {
	b = bytes.Trim(b, " \x00")
	if len(b) == 0 || len(b) > 11 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, true
}
