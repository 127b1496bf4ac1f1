package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// opened verifies the bundle at path by whatever layout it has.
func opened(t *testing.T, path string, c VerifyConfig) (*Reader, error) {
	t.Helper()
	f, err := OpenAny(path)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = f.Close() })
	return Verify(t.Context(), f, c)
}

// unpacked writes a bundle as a folder.
func unpacked(t *testing.T, file []byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bundle")
	if err := Unpack(t.Context(), bytes.NewReader(file), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLayouts reads one bundle as a file, a folder and a tar: it is the same each time, and any of them gives any other.
func TestLayouts(t *testing.T) {
	want := write(t, testConfig(t, testChanges(50)))
	dir := unpacked(t, want)
	tarOfFile, tarOfFolder := new(bytes.Buffer), new(bytes.Buffer)
	if err := Untar(t.Context(), bytes.NewReader(want), tarOfFile); err != nil {
		t.Fatal(err)
	}
	f, err := OpenAny(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Untar(t.Context(), f, tarOfFolder); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tarOfFile.Bytes(), tarOfFolder.Bytes()) {
		t.Error("the tar of the file and that of the folder differ")
	}
	zst, plain := filepath.Join(t.TempDir(), "b.zst"), filepath.Join(t.TempDir(), "b.tar")
	for path, b := range map[string][]byte{zst: want, plain: tarOfFile.Bytes()} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What is not of the bundle is not looked at.
	if err := os.WriteFile(filepath.Join(dir, "README.txt"), []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	var hash, changes string
	for _, path := range []string{zst, plain, dir} {
		r, err := opened(t, path, good(t))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		got := mustEncode(t, changesOf(t, r))
		if hash == "" {
			hash, changes = r.Hash(), got
		}
		if r.Hash() != hash || got != changes || r.Manifest().Counts.Changes() != 50 {
			t.Errorf("%s is another bundle: %s", path, r.Hash())
		}
		g, err := OpenAny(path)
		if err != nil {
			t.Fatal(err)
		}
		if rep := Inspect(t.Context(), path, g, good(t)); !rep.Ready {
			t.Errorf("%s", rep)
		}
		g.Close()
	}
	// A person can check it by hand: the manifest's digests are those of the files.
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	if hashOf(raw) != hash {
		t.Error("the digest of manifest.json is not the bundle's hash")
	}
	m, err := decodeManifest(raw, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Parts {
		b, err := os.ReadFile(filepath.Join(dir, p.Name))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != p.SHA256 {
			t.Errorf("sha256sum of %s is not what the manifest says", p.Name)
		}
	}
}

// TestOtherTar reads what tar programs make of the folder.
func TestOtherTar(t *testing.T) {
	tarProgram, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("there is no tar program here")
	}
	dir := unpacked(t, write(t, testConfig(t, testChanges(9))))
	path := filepath.Join(t.TempDir(), "x.tar")
	args := append([]string{"--format=ustar", "-C", dir, "-cf", path}, entryNames[:]...)
	if out, err := exec.Command(tarProgram, args...).CombinedOutput(); err != nil {
		t.Skipf("this tar program cannot do it: %v %s", err, out)
	}
	if _, err := opened(t, path, good(t)); err != nil {
		t.Error(err)
	}
	args[0] = "--format=gnu"
	if out, err := exec.Command(tarProgram, args...).CombinedOutput(); err != nil {
		t.Skipf("this tar program cannot do it: %v %s", err, out)
	}
	_, err = opened(t, path, good(t))
	wantFault(t, err, fault.Corrupt, "not a plain USTAR file")
}

// TestFolderRefused spoils a folder in one way after the other.
func TestFolderRefused(t *testing.T) {
	file := write(t, testConfig(t, testChanges(9)))
	for name, tc := range map[string]struct {
		spoil func(dir string) error
		kind  fault.Kind
		text  string
	}{
		"no manifest":  {func(d string) error { return os.Remove(filepath.Join(d, manifestName)) }, fault.NotFound, "manifest.json is missing"},
		"no signature": {func(d string) error { return os.Remove(filepath.Join(d, signatureName)) }, fault.Denied, "the bundle is not signed"},
		"a link": {func(d string) error {
			path := filepath.Join(d, deletionsName)
			if err := os.Rename(path, path+".away"); err != nil {
				return err
			}
			return os.Symlink(path+".away", path)
		}, fault.Invalid, "not a plain file"},
		"a folder inside": {func(d string) error {
			path := filepath.Join(d, deletionsName)
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		}, fault.Invalid, "not a plain file"},
		"altered": {func(d string) error {
			return os.WriteFile(filepath.Join(d, deletionsName), nil, 0o600)
		}, fault.Corrupt, "deletions.ndjson is not what the manifest says"},
		"not there": {os.RemoveAll, fault.NotFound, "is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := unpacked(t, file)
			if err := tc.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := opened(t, dir, good(t))
			wantFault(t, err, tc.kind, tc.text)
		})
	}
	dir := unpacked(t, file)
	wantFault(t, Unpack(t.Context(), bytes.NewReader(file), dir), fault.Exists, "is not empty")
	wantFault(t, Unpack(t.Context(), bytes.NewReader(file[:900]), filepath.Join(t.TempDir(), "x")), fault.Corrupt, "ends early")
	wantFault(t, Untar(t.Context(), bytes.NewReader(file), failing{}), fault.ReadOnly, "cannot be written")
	wantFault(t, Untar(t.Context(), bytes.NewReader(file), full{}), fault.Full, "too little room on the disk")
	_, err := OpenAny(os.DevNull)
	wantFault(t, err, fault.Invalid, "neither a file nor a folder")
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// full writes as a disk without room does.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
}

// TestSkipSignature reads bundles without asking who signed: nobody did, then, and all else is judged as ever.
func TestSkipSignature(t *testing.T) {
	c := testConfig(t, testChanges(10))
	c.Announce = trust(t, testKey(t, "next"))
	file := write(t, c)
	v := VerifyConfig{SkipSignature: true, Now: testTime, Trusted: good(t).Trusted}
	r, err := Verify(t.Context(), bytes.NewReader(file), v)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Signers()) != 0 || r.Announced() != nil || len(changesOf(t, r)) != 10 {
		t.Errorf("signers %v, announced %v", r.Signers(), r.Announced())
	}
	rep := Inspect(t.Context(), "x", bytes.NewReader(file), v)
	if !rep.Ready || rep.Signature.OK || !strings.Contains(rep.String(), "✗ not checked, as was asked for") || !strings.Contains(rep.String(), "(claimed)") {
		t.Errorf("report:\n%s", rep)
	}
	es := unpack(t, file)
	stranger := resign(t, es, same, testKey(t, "stranger"))
	if _, err := Verify(t.Context(), bytes.NewReader(stranger), v); err != nil {
		t.Errorf("signed by a stranger: %v", err)
	}
	es[1].body = strings.Replace(es[1].body, "1.1-1", "9.9-9", 1)
	_, err = Verify(t.Context(), bytes.NewReader(pack(t, es, "")), v)
	wantFault(t, err, fault.Corrupt, "not what the manifest says")
	v.Now = testTime * 2
	_, err = Verify(t.Context(), bytes.NewReader(file), v)
	wantFault(t, err, fault.Expired, "expired")
}

// TestAnnounced: whoever trusts the signature is told of the keys, in the order of their ids, and which of them are revoked.
func TestAnnounced(t *testing.T) {
	c := testConfig(t, testChanges(3))
	c.Announce = trust(t, testKey(t, "a"), testKey(t, "b"), testKey(t, "c"))
	c.Announce[1].Revoked = true
	c.Announce[0].Successor, c.Announce[0].RetiresAt = c.Announce[2].ID, testTime.Add(1)
	c.Announce[2].Purposes = []string{model.PurposeAcceptance, model.PurposeFederation}
	file := write(t, c)
	r, err := Verify(t.Context(), bytes.NewReader(file), good(t))
	if err != nil {
		t.Fatal(err)
	}
	got := r.Announced()
	if len(got) != 3 || got[0].ID > got[1].ID || got[1].ID > got[2].ID {
		t.Fatalf("announced = %+v", got)
	}
	for _, k := range got {
		for i := range c.Announce {
			if k.ID == c.Announce[i].ID && mustEncode(t, k) != mustEncode(t, c.Announce[i]) {
				t.Errorf("announced\n%s, want\n%s", mustEncode(t, k), mustEncode(t, c.Announce[i]))
			}
		}
	}
	rep := Inspect(t.Context(), "b.zst", bytes.NewReader(file), good(t))
	if text := rep.String(); len(rep.Announced) != 2 || len(rep.Revoked) != 1 || rep.Revoked[0] != c.Announce[1].ID || !strings.Contains(text, "\nRevoked:  "+c.Announce[1].ID+"\n") ||
		!strings.Contains(text, "\nKey:      "+c.Announce[0].ID+"\n") {
		t.Errorf("announced %v, revoked %v\n%s", rep.Announced, rep.Revoked, text)
	}
	c.Announce[0], c.Announce[2] = c.Announce[2], c.Announce[0]
	if !bytes.Equal(write(t, c), file) {
		t.Error("keys in another order gave other bytes")
	}
}

// TestMostItems walks through all changes in bundles of at most seven, each beginning where the one before ended.
func TestMostItems(t *testing.T) {
	changes := testChanges(30)
	have, n := model.Cursor{}, 0
	for range 10 {
		c := testConfig(t, changes)
		c.From, c.MostItems = have, 7
		c.Changes = func(fn func(model.AdvisoryChange) error) error {
			for _, ch := range changes {
				if ch.Cursor.Compare(c.From) > 0 {
					if err := fn(ch); err != nil {
						return err
					}
				}
			}
			return nil
		}
		r, err := Verify(t.Context(), bytes.NewReader(write(t, c)), good(t))
		if err != nil {
			t.Fatal(err)
		}
		m := r.Manifest()
		if err := Admit(have, m, false); err != nil {
			t.Fatal(err)
		}
		n += len(changesOf(t, r))
		have = m.To
		if m.More != (n < 30) || m.Counts.Changes() > 7 || m.CreatedAt != m.To.At {
			t.Errorf("after %d changes: %+v", n, m)
		}
		if !m.More {
			break
		}
	}
	if n != 30 || have != cursor(30) {
		t.Errorf("%d changes through %s", n, have)
	}
	// Exactly as many as are there: there is no more, and it is the bundle that it is without a bound.
	c := testConfig(t, changes)
	whole := write(t, c)
	c.MostItems = 30
	if !bytes.Equal(write(t, c), whole) {
		t.Error("a bound that was not reached changed the bundle")
	}
}
