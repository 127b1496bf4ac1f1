package controller

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/key"
	"github.com/skerryhq/skerry/sync/link"
)

// VerifyBackup reads the whole backup at path, and says what it is of where it is whole, unaltered and signed by
// the authority whose pin it names. Where the folder data belongs to a controller, both that authority and the group's
// key must be that one's, and Own is set. Where it does not, or is "", whether they are the right ones is for who knows
// the pin. The kinds: fault.Corrupt for what is
// truncated, altered or no backup, fault.Conflict for one of another federation, fault.Version for one of a newer
// version, fault.NotFound where there is no such file.
func VerifyBackup(ctx context.Context, path, data string) (BackupInfo, error) {
	op := "verify the backup " + path
	b, err := openBackup(ctx, path, nil)
	if err != nil {
		return b.info, fault.Wrap(op, err)
	}
	err = b.ours(data)
	return b.info, fault.Wrap(op, err)
}

// content is a backup that was read.
type content struct {
	info  BackupInfo
	cert  *x509.Certificate
	group []byte // the group's key
}

// openBackup reads the file at path; see readBackup.
func openBackup(ctx context.Context, path string, to func(name string) string) (content, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return content{}, fault.New(fault.NotFound, "", "there is no such file")
	}
	if err != nil {
		return content{}, fault.New(fault.Denied, "", "%w", err)
	}
	defer f.Close()
	b, err := readBackup(ctx, f, to)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fault.New(fault.Corrupt, "", "%w (it ends too early); use another backup", err)
	case fault.Is(err, fault.Corrupt):
		err = fault.New(fault.Corrupt, "", "%w; use another backup", err)
	}
	return b, err
}

// readBackup reads a backup to its end and checks all of it. Each file goes where to says; nil: nowhere. What was
// written is good for nothing until readBackup has returned without an error.
func readBackup(ctx context.Context, r io.Reader, to func(name string) string) (content, error) {
	var b content
	u := raftfsm.NewUnpacker(&heeding{ctx: ctx, r: r}, "the backup", backupName)
	fail := func(err error) (content, error) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return b, err
	}
	head, err := u.JSON(backupHead, maxBackupHead)
	if err != nil {
		return fail(err)
	}
	if b.info, err = decodeHead(head); err != nil {
		return fail(err)
	}
	small := map[string][]byte{} // those that are looked into
	rows := 0
	for {
		name, size, err := u.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			switch {
			case strings.HasPrefix(name, inRows):
				rows++
				err = take(u, name, to)
			case size > maxSmall && name != theIssued:
				err = fault.New(fault.Corrupt, "", "the backup is damaged: %s has %d bytes", name, size)
			case name == theCAKey || name == theCACert || name == theGroup:
				small[name], err = takeSmall(u, name, size, to)
			default:
				err = take(u, name, to)
			}
		}
		if err != nil {
			return fail(err)
		}
	}
	list, err := u.List()
	if err != nil {
		return fail(err)
	}
	b.info.Files, b.info.Bytes = u.Files()
	raw, err := u.JSON(backupSeal, maxSeal)
	if err != nil {
		return fail(err)
	}
	if err := u.Whole(); err != nil {
		return fail(err)
	}
	if rows == 0 {
		return b, damaged("it holds no rows")
	}
	public, err := b.keys(small)
	if err != nil {
		return b, err
	}
	var s seal
	if err := model.Decode(raw, &s); err != nil || !s.holds(public, head, list) {
		return b, damaged("its signature is not that of the authority in it: it was altered, or put together of several")
	}
	return b, nil
}

func damaged(format string, args ...any) error {
	return fault.New(fault.Corrupt, "", "the backup is damaged: "+format, args...)
}

func decodeHead(head []byte) (BackupInfo, error) {
	var i BackupInfo
	if err := model.Decode(head, &i); err != nil {
		return i, damaged("%s: %w", backupHead, err)
	}
	switch {
	case i.Format > backupFormat || i.Schema > key.Schema || i.Entry > entry.Version:
		return i, fault.New(fault.Version, "", "the backup was made by Skerry %s, with format %d, rows of schema %d and log entries of version %d; this program reads up to %d, %d and %d: use that version, or a newer one",
			fault.Printable(fault.Clip(i.Program, 64)), i.Format, i.Schema, i.Entry, backupFormat, key.Schema, entry.Version)
	case i.Format < 1 || i.Schema < 1 || i.Group.IsZero() || i.Epoch == 0 || i.Applied == 0:
		return i, damaged("%s does not say what it is of", backupHead)
	}
	return i, nil
}

func take(u *raftfsm.Unpacker, name string, to func(string) string) error {
	if to == nil {
		return u.Copy(io.Discard)
	}
	return u.File(to(name))
}

// takeSmall takes a file and returns its bytes as well.
func takeSmall(u *raftfsm.Unpacker, name string, size int64, to func(string) string) ([]byte, error) {
	if size > maxCert {
		return nil, damaged("%s has %d bytes", name, size)
	}
	if to != nil {
		if err := u.File(to(name)); err != nil {
			return nil, err
		}
		return os.ReadFile(to(name))
	}
	var b bytes.Buffer
	err := u.Copy(&b)
	return b.Bytes(), err
}

// keys checks that the keys in a backup belong together, and returns what it must be signed with.
func (b *content) keys(small map[string][]byte) (*ecdsa.PublicKey, error) {
	for _, name := range []string{theCAKey, theCACert, theGroup} {
		if small[name] == nil {
			return nil, damaged("%s is missing", name)
		}
	}
	k, err := parseCAKey(small[theCAKey])
	if err != nil {
		return nil, damaged("%w", err)
	}
	if b.cert, err = parseCert(small[theCACert]); err != nil {
		return nil, damaged("%s: %w", theCACert, err)
	}
	switch b.group = small[theGroup]; {
	case !b.cert.IsCA || !k.PublicKey.Equal(b.cert.PublicKey):
		return nil, damaged("the authority's key is not that of its certificate")
	case link.PinOf(b.cert) != b.info.CAPin:
		return nil, damaged("it is of another authority than it says")
	case len(b.group) != 32:
		return nil, damaged("the group's key has %d bytes instead of 32", len(b.group))
	}
	return &k.PublicKey, nil
}

func parseCert(raw []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("it is not in PEM form")
	}
	return x509.ParseCertificate(block.Bytes)
}

// ours compares the keys with those in the data folder, as far as there are any.
func (b *content) ours(data string) error {
	if data == "" {
		return nil
	}
	path := filepath.Join(data, theCACert)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.New(fault.Denied, "", "%w", err)
	}
	mine, err := parseCert(raw)
	if err != nil {
		return fault.New(fault.Corrupt, "", "%s: %w", path, err)
	}
	if pin := link.PinOf(mine); pin != b.info.CAPin {
		return fault.New(fault.Conflict, "", "the backup is of another federation: its authority has the pin %s, that of %s has %s; use one of this group", b.info.CAPin, data, pin)
	}
	path = filepath.Join(data, theGroup)
	group, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // no controller yet, or one that was alone and is of an older version
		return nil
	case err != nil:
		return fault.New(fault.Denied, "", "%w", err)
	case !bytes.Equal(group, b.group):
		return fault.New(fault.Conflict, "", "the backup has another key of the group than %s, so that what is sealed in it does not open with that one: take the backup from a node of this group", path)
	}
	b.info.Own = true
	return nil
}
