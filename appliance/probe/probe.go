// Package probe observes the machine that it runs on: names, addresses, system, installed packages and
// certificates.
//
// It owns the readers of what distributions keep on disk (os-release, dpkg, apk, rpm, PEM) and turns it
// into engine/model. It needs no privilege, writes nothing, keeps nothing between calls, opens no port,
// and never takes a private key out of a file. What it cannot learn it leaves empty: absent means
// unknown, never "fine".
package probe

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"

	"github.com/skerryhq/skerry/engine/fault"
)

// Root is where to look. The zero value reads the files of this machine and asks nobody else; Machine
// returns one that sees everything.
type Root struct {
	// Dir is the folder that stands for "/", so that a test can observe a tree of files; empty: "/".
	// The kernel's own answers (kernel release, architecture) are always this machine's.
	Dir string
	// Version is reported as the agent's version.
	Version string
	// Interfaces lists the network interfaces; nil: there are none to report.
	Interfaces func() ([]Interface, error)
	// Canonical asks the name service for the full name of a host; nil: only /etc/hosts is asked. It
	// must return when ctx ends.
	Canonical func(ctx context.Context, host string) (string, error)
	// RPM returns the answer of the rpm program to rpmArgs; nil: an rpm database cannot be read, and
	// finding one is an error.
	RPM func(ctx context.Context) ([]byte, error)
	// Size returns the size of the file system at a path in MiB; nil: sizes are not known.
	Size func(path string) (int64, error)
	// Synchronised says whether the kernel's clock is kept right by somebody; nil, or a nil answer: not known.
	Synchronised func() *bool
}

// Interface is one network interface with its addresses in CIDR or plain form.
type Interface struct {
	Name  string
	MTU   int
	Flags net.Flags
	MAC   net.HardwareAddr
	Addrs []string
}

// Machine returns the Root of the machine that this program runs on. version is the agent's.
func Machine(version string) Root {
	return Root{Version: version, Interfaces: interfaces, Canonical: canonical, RPM: runRPM, Size: sizeMB, Synchronised: synchronised}
}

// path returns where name, an absolute path on the observed machine, is found.
func (r Root) path(name string) string {
	if r.Dir == "" {
		return name
	}
	return filepath.Join(r.Dir, name)
}

// exists reports whether name is there, whatever it is.
func (r Root) exists(name string) bool {
	_, err := os.Stat(r.path(name))
	return err == nil
}

// read returns the content of name, a regular file (or one of /proc) of at most limit bytes.
func (r Root) read(name string, limit int64) ([]byte, error) { return readFile(r.path(name), limit) }

// readFile reads a regular file of at most limit bytes. It never waits for a pipe or a device that
// stands where a file should be.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "", "%s is not a regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		clear(b)
		return nil, fault.New(fault.TooLarge, "", "%s is larger than %d bytes", path, limit)
	}
	return b, nil
}

// firstLine returns the first line of name, cleaned; "" where there is none.
func (r Root) firstLine(name string) string {
	b, err := r.read(name, 4096)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return clean(strings.TrimSpace(line))
}

// clean makes foreign text fit to store and to show: valid UTF-8, no control characters.
func clean(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// clip is clean, and at most limit bytes without cutting a character in two.
func clip(s string, limit int) string {
	s = clean(s)
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}

// absent reports whether err says that a file or a folder on the way to it is not there.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
