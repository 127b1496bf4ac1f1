package controller

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
)

// rebuilt is a tar stream written again as change leaves it.
func rebuilt(t *testing.T, b []byte, change func(h *tar.Header, body []byte) (*tar.Header, []byte)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, r := tar.NewWriter(&out), tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		body, e := io.ReadAll(r)
		if err != nil || e != nil {
			t.Fatal(err, e)
		}
		if h, body = change(h, body); h == nil {
			continue
		}
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	path := h.backup()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h.propose(account("later"))
	later, err := os.ReadFile(h.backup())
	if err != nil {
		t.Fatal(err)
	}
	other := openHome(t, filepath.Join(t.TempDir(), "data"))
	theirs, err := os.ReadFile(other.backup())
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte) error { _, err := readBackup(t.Context(), bytes.NewReader(b), nil); return err }
	for name, b := range map[string][]byte{"good": good, "later": later, "theirs": theirs} {
		if err := check(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for n := 0; n < len(good); n += 509 { // truncated anywhere
		refused(t, fmt.Sprintf("the first %d of %d bytes", n, len(good)), check(good[:n]), fault.Corrupt, "damaged")
	}
	refused(t, "without its last byte", check(good[:len(good)-1]), fault.Corrupt, "damaged")
	refused(t, "without the mark of its end", check(good[:len(good)-1024]), fault.Corrupt, "cut off")
	for n := 0; n < len(good); n += 997 { // altered anywhere: what is padding and no content may pass
		b := bytes.Clone(good)
		b[n] ^= 1
		if err := check(b); err != nil && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Version) {
			t.Errorf("byte %d: %v", n, err)
		} else if err == nil && good[n] != 0 {
			t.Errorf("byte %d was changed, and nobody saw it", n)
		}
	}
	part := func(of []byte, name string) []byte {
		var got []byte
		rebuilt(t, of, func(h *tar.Header, b []byte) (*tar.Header, []byte) {
			if h.Name == name {
				got = b
			}
			return h, b
		})
		return got
	}
	replace := func(of []byte, parts map[string][]byte) []byte {
		return rebuilt(t, of, func(h *tar.Header, b []byte) (*tar.Header, []byte) {
			if p, ok := parts[h.Name]; ok {
				return h, p
			}
			return h, b
		})
	}
	with := func(extra tar.Header, body string) []byte {
		done := false
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		rebuilt(t, good, func(h *tar.Header, b []byte) (*tar.Header, []byte) {
			if h.Name == theCAKey && !done {
				done = true
				extra.Size, extra.Mode = int64(len(body)), 0o600
				if err := w.WriteHeader(&extra); err != nil {
					t.Fatal(err)
				}
				_, _ = w.Write([]byte(body))
			}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(b)
			return h, b
		})
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	head := part(good, backupHead)
	for _, c := range []struct {
		name string
		b    []byte
		kind fault.Kind
		text string
	}{
		{"empty", nil, fault.Corrupt, "backup.json"},
		{"another file", bytes.Repeat([]byte("text "), 1000), fault.Corrupt, "backup.json"},
		{"the head of another backup", replace(good, map[string][]byte{backupHead: part(later, backupHead)}), fault.Corrupt, "signature"},
		{"the signature of another backup", replace(good, map[string][]byte{backupSeal: part(later, backupSeal)}), fault.Corrupt, "signature"},
		{"the keys of another federation", replace(good, map[string][]byte{theCAKey: part(theirs, theCAKey)}), fault.Corrupt, "is not the file that is listed"},
		{"no signature", rebuilt(t, good, func(h *tar.Header, b []byte) (*tar.Header, []byte) {
			if h.Name == backupSeal {
				return nil, nil
			}
			return h, b
		}), fault.Corrupt, backupSeal},
		{"a signature that is none", replace(good, map[string][]byte{backupSeal: []byte(`{"alg":"none"}`)}), fault.Corrupt, "signature"},
		{"something behind its end", append(bytes.Clone(good), 0), fault.Corrupt, "behind its end"},
		{"a path out of it", with(tar.Header{Typeflag: tar.TypeReg, Name: "rows/../../escape"}, "x"), fault.Corrupt, "not the name"},
		{"a file of no kind", with(tar.Header{Typeflag: tar.TypeReg, Name: "extra"}, "x"), fault.Corrupt, "not the name"},
		{"a link", with(tar.Header{Typeflag: tar.TypeSymlink, Name: "keys/a.pem", Linkname: "/etc/passwd"}, ""), fault.Corrupt, "not the name"},
		{"a key that is not listed", with(tar.Header{Typeflag: tar.TypeReg, Name: "keys/a.pem"}, "x"), fault.Corrupt, "lists"},
		{"a key of a megabyte", with(tar.Header{Typeflag: tar.TypeReg, Name: "keys/a.pem"}, strings.Repeat("x", maxSmall+1)), fault.Corrupt, "bytes"},
		{"a newer format", replace(good, map[string][]byte{backupHead: bytes.Replace(head, []byte(`"format":1`), []byte(`"format":2`), 1)}), fault.Version, "use that version"},
		{"newer rows", replace(good, map[string][]byte{backupHead: bytes.Replace(head, []byte(`"schema":`), []byte(`"schema":9`), 1)}), fault.Version, "use that version"},
		{"format 0", replace(good, map[string][]byte{backupHead: bytes.Replace(head, []byte(`"format":1`), []byte(`"format":0`), 1)}), fault.Corrupt, "does not say"},
	} {
		refused(t, c.name, check(c.b), c.kind, c.text)
	}
	// Whole, and of another federation than this machine.
	alike := t.TempDir()
	if err := os.WriteFile(path+"2", theirs, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = VerifyBackup(t.Context(), path+"2", h.data)
	refused(t, "a foreign one", err, fault.Conflict, "another federation")
	if i, err := VerifyBackup(t.Context(), path+"2", t.TempDir()); err != nil || i.CAPin != other.ca.Pin() {
		t.Errorf("a foreign one on an empty machine: %+v, %v", i, err)
	}
	if i, err := VerifyBackup(t.Context(), path, h.data); err != nil || !i.Own {
		t.Errorf("of this controller: own %v, %v", i.Own, err)
	}
	for _, data := range []string{"", t.TempDir()} {
		if i, err := VerifyBackup(t.Context(), path, data); err != nil || i.Own {
			t.Errorf("nothing to hold it against in %q: own %v, %v", data, i.Own, err)
		}
	}
	// The authority of this controller and the key of another group: secrets in it would not open.
	for _, name := range []string{theCACert, theGroup} {
		b, err := os.ReadFile(filepath.Join(h.data, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == theGroup {
			b[0] ^= 1
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(alike, filepath.Dir(name)), 0o700), os.WriteFile(filepath.Join(alike, name), b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = VerifyBackup(t.Context(), path, alike)
	refused(t, "another group's key", err, fault.Conflict, "another key of the group")
	_, err = VerifyBackup(t.Context(), path+"3", "")
	refused(t, "no file", err, fault.NotFound, "no such file")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := VerifyBackup(ctx, path, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// FuzzReadBackup: whatever the bytes, nothing breaks, and nothing is written beside its folder.
func FuzzReadBackup(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := readBackup(t.Context(), bytes.NewReader(b), nil)
		if k := fault.KindOf(err); err != nil && k != fault.Corrupt && k != fault.Version {
			t.Fatalf("kind %s: %v", k, err)
		}
		top := t.TempDir()
		dir := filepath.Join(top, "part")
		for _, name := range []string{"rows", "keys", "pki", "cluster"} {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		_, again := readBackup(t.Context(), bytes.NewReader(b), func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) })
		if (err == nil) != (again == nil) && !fault.Is(again, fault.Corrupt) {
			t.Fatalf("read: %v; unpacked: %v", err, again)
		}
		if names, err := os.ReadDir(top); err != nil || len(names) != 1 {
			t.Fatalf("it wrote beside its folder: %v, %v", names, err)
		}
	})
}

// seeds are small backups: whole, and not.
func seeds(f *testing.F) [][]byte {
	dir := f.TempDir()
	ca, err := enroll.OpenCA(filepath.Join(dir, "pki"), "test", nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	for name, text := range map[string]string{theGroup: strings.Repeat("k", 32), "rows/000001.sst": "rows", "keys/a.pem": "key"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			f.Fatal(err)
		}
	}
	var b bytes.Buffer
	info := BackupInfo{Format: 1, Group: model.NodeID{1}, Applied: 1, Epoch: 1, Schema: 1, CAPin: ca.Pin()}
	files, err := BackupSource{Data: dir}.files(filepath.Join(dir, "rows"))
	if err != nil {
		f.Fatal(err)
	}
	key, err := readCAKey(filepath.Join(dir, theCAKey))
	if err != nil {
		f.Fatal(err)
	}
	if err := pack(&b, &info, files, key); err != nil {
		f.Fatal(err)
	}
	if _, err := readBackup(f.Context(), bytes.NewReader(b.Bytes()), nil); err != nil {
		f.Fatal(err)
	}
	return [][]byte{b.Bytes(), b.Bytes()[:b.Len()/2], b.Bytes()[:600], {}}
}
