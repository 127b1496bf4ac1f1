package probe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// pair makes a leaf certificate of an authority, and its key, all in DER.
func pair(t *testing.T) (leaf, ca, key []byte) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	caTemplate := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: from, NotAfter: from.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true}
	if ca, err = x509.CreateCertificate(rand.Reader, caTemplate, caTemplate, caKey.Public(), caKey); err != nil {
		t.Fatal(err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xbeef), Subject: pkix.Name{CommonName: "www.example", Organization: []string{"Ex\x1b[1mample"}}, NotBefore: from, NotAfter: from.AddDate(1, 0, 0),
		DNSNames: []string{"www.example", "example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)},
	}
	if leaf, err = x509.CreateCertificate(rand.Reader, template, caTemplate, leafKey.Public(), caKey); err != nil {
		t.Fatal(err)
	}
	if key, err = x509.MarshalPKCS8PrivateKey(leafKey); err != nil {
		t.Fatal(err)
	}
	return leaf, ca, key
}

func armour(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func write(t *testing.T, path string, parts ...[]byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestCertificates(t *testing.T) {
	leaf, ca, key := pair(t)
	dir := t.TempDir()
	live := filepath.Join(dir, "live")
	write(t, filepath.Join(dir, "archive/fullchain1.pem"), armour("PRIVATE KEY", key), armour("CERTIFICATE", leaf), armour("CERTIFICATE", ca))
	link(t, "../../archive/fullchain1.pem", filepath.Join(live, "www/fullchain.pem"))
	link(t, "..", filepath.Join(live, "www/loop"))
	link(t, "/nowhere", filepath.Join(live, "www/dangling.pem"))
	write(t, filepath.Join(live, "www/privkey.pem"), []byte("never opened"))
	write(t, filepath.Join(live, "www/server-key.pem"), []byte("never opened"))
	write(t, filepath.Join(live, "plain.der"), leaf)
	write(t, filepath.Join(live, "README"), armour("CERTIFICATE", leaf))
	write(t, filepath.Join(live, "broken.CRT"), armour("CERTIFICATE", []byte("junk")), armour("CERTIFICATE", ca))
	write(t, filepath.Join(live, "notes.cer"), []byte("not a certificate"))
	write(t, filepath.Join(live, "huge.pem"), make([]byte, maxCertFile+1))
	write(t, filepath.Join(live, "1/2/3/4/5/6/in.pem"), armour("CERTIFICATE", ca))
	write(t, filepath.Join(live, "1/2/3/4/5/6/7/out.pem"), armour("CERTIFICATE", ca))
	write(t, filepath.Join(dir, "ca-trust/extracted/pem/bundle.pem"), armour("CERTIFICATE", ca))
	link(t, "../ca-trust/extracted/pem/bundle.pem", filepath.Join(live, "ca-bundle.crt"))
	link(t, "../ca-trust/extracted/pem", filepath.Join(live, "trust"))

	got, errs := Certificates(t.Context(), []string{live, filepath.Join(dir, "missing")})
	var paths []string
	for _, c := range got {
		rel, err := filepath.Rel(live, c.Path)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, rel+" "+c.Subject[:10])
	}
	want := []string{"1/2/3/4/5/6/in.pem CN=Test CA", "broken.CRT CN=Test CA", "plain.der CN=www.exa", "www/fullchain.pem CN=Test CA", "www/fullchain.pem CN=www.exa"}
	for i := range got { // the order of the two of one chain depends on their hashes
		if got[i].CA && i > 0 && got[i-1].Path == got[i].Path {
			paths[i], paths[i-1] = paths[i-1], paths[i]
		}
	}
	if !reflect.DeepEqual(paths, want) {
		t.Errorf("found %q\nwant  %q", paths, want)
	}
	text := errors.Join(errs...).Error()
	for _, part := range []string{"broken.CRT", "notes.cer", "huge.pem", "missing does not exist"} {
		if !strings.Contains(text, part) {
			t.Errorf("no error about %s in:\n%s", part, text)
		}
	}
	if len(errs) != 4 || !fault.Is(errs[3], fault.NotFound) {
		t.Errorf("%d errors, the last of kind %v:\n%s", len(errs), fault.KindOf(errs[len(errs)-1]), text)
	}

	sum, by := sha256.Sum256(leaf), sha256.Sum256(ca)
	from := model.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, c := range got {
		if filepath.Base(c.Path) != "plain.der" {
			continue
		}
		want := model.Certificate{
			Path: c.Path, Subject: "CN=www.example,O=Ex[1mample", Issuer: "CN=Test CA", Serial: "beef", Names: []string{"www.example", "example", "192.0.2.1"},
			NotBefore: from, NotAfter: model.TimeOf(from.Std().AddDate(1, 0, 0)), Fingerprint: hex.EncodeToString(sum[:]),
			IssuedBy: hex.EncodeToString(by[:]),
		}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%+v\nwant\n%+v", c, want)
		}
	}
	if c := got[0]; !c.CA || !c.SelfSigned || c.IssuedBy != "" {
		t.Errorf("the authority: %+v", c)
	}
}

func TestChain(t *testing.T) {
	at := func(path, fingerprint, subject, issuer, id, issuerID string, ca bool, until model.Time) parsed {
		return parsed{
			Certificate: model.Certificate{Path: path, Fingerprint: fingerprint, CA: ca, SelfSigned: subject == issuer, NotAfter: until},
			subject:     subject, issuer: issuer, id: id, issuerID: issuerID,
		}
	}
	list := []parsed{
		at("/a", "leaf", "x", "mid", "", "k1", false, 1),
		at("/a", "mid-here", "mid", "root", "k1", "r", true, 5),
		at("/b", "mid-longer", "mid", "root", "k1", "r", true, 9),
		at("/b", "mid-of-another-key", "mid", "root", "k2", "r", true, 99),
		at("/b", "not-a-ca", "mid", "root", "k1", "r", false, 99),
		at("/c", "far", "y", "mid", "", "k1", false, 1),
		at("/c", "no-id", "z", "mid", "", "", false, 1),
		at("/d", "root", "root", "root", "r", "r", true, 100),
		at("/e", "orphan", "w", "nobody", "", "", false, 1),
		at("/f", "cross", "mid", "mid2", "k1", "", true, 3),
		at("/f", "mid2", "mid2", "mid", "", "k1", true, 3), // the two issue each other
	}
	want := map[string]string{
		"leaf": "mid-here", "mid-here": "root", "mid-longer": "root", "mid-of-another-key": "root", "not-a-ca": "root",
		"far": "mid-longer", "no-id": "mid-of-another-key", "cross": "mid2", "mid2": "cross",
	}
	for range 2 {
		chain(list)
		for _, c := range list {
			if c.IssuedBy != want[c.Fingerprint] {
				t.Errorf("%s was issued by %q, want %q", c.Fingerprint, c.IssuedBy, want[c.Fingerprint])
			}
		}
		slices.Reverse(list) // whatever the order
	}
}

func TestCertificatesStops(t *testing.T) {
	dir := t.TempDir()
	leaf, _, _ := pair(t)
	write(t, filepath.Join(dir, "many.pem"), bytes.Repeat(armour("CERTIFICATE", leaf), 1000))
	for _, name := range []string{"b", "c", "d", "e", "f", "g"} {
		if err := os.Link(filepath.Join(dir, "many.pem"), filepath.Join(dir, name+".pem")); err != nil {
			t.Fatal(err)
		}
	}
	_, errs := Certificates(t.Context(), []string{dir})
	if len(errs) != 1 || !fault.Is(errs[0], fault.TooLarge) {
		t.Errorf("seven thousand certificates: %v", errs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, errs := Certificates(ctx, []string{dir}); len(got) != 0 || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("cancelled: %d found, %v", len(got), errs)
	}
}
