package enroll

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// day is the clock of most tests.
var day = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func fixed(t time.Time) func() time.Time { return func() time.Time { return t } }

func openCA(t *testing.T, dir string) *CA {
	t.Helper()
	ca, err := OpenCA(dir, "test federation", fixed(day), nil)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestCAIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	first := openCA(t, dir)
	again := openCA(t, dir)
	if first.Pin() != again.Pin() || !bytes.Equal(first.CertPEM(), again.CertPEM()) {
		t.Error("the second open made another authority")
	}
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
	c := first.Certificate()
	if !c.IsCA || !c.MaxPathLenZero || c.NotAfter.Sub(day) < 9*365*24*time.Hour || c.Subject.CommonName != "test federation" {
		t.Errorf("the authority's certificate is %v, %v", c.Subject, c.NotAfter)
	}
}

// A crash between the key and its certificate: the key, and with it the pin, survives.
func TestCAAfterCrash(t *testing.T) {
	dir := t.TempDir()
	first := openCA(t, dir)
	if err := os.Remove(filepath.Join(dir, "cert.pem")); err != nil {
		t.Fatal(err)
	}
	if again := openCA(t, dir); again.Pin() != first.Pin() {
		t.Error("the pin changed")
	}
}

func TestCARefuses(t *testing.T) {
	write := func(name, text string, mode os.FileMode) func(string) error {
		return func(dir string) error {
			path := filepath.Join(dir, name)
			os.Remove(path)
			return os.WriteFile(path, []byte(text), mode)
		}
	}
	other := openCA(t, t.TempDir())
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		kind  fault.Kind
		text  string
	}{
		{"key lost", func(dir string) error { return os.Remove(filepath.Join(dir, keyFile)) }, fault.Corrupt, "restore it from a backup"},
		{"key open to all", func(dir string) error { return os.Chmod(filepath.Join(dir, keyFile), 0o644) }, fault.Denied, "chmod 600"},
		{"key damaged", write(keyFile, "x", 0o600), fault.Corrupt, "no private key"},
		{"certificate damaged", write("cert.pem", "x", 0o644), fault.Corrupt, "restore it from a backup"},
		{"certificate of another key", write("cert.pem", string(other.CertPEM()), 0o644), fault.Corrupt, "restore both"},
		{"two certificates", write("cert.pem", string(other.CertPEM())+string(other.CertPEM()), 0o644), fault.Corrupt, "one certificate"},
	} {
		dir := t.TempDir()
		openCA(t, dir)
		if err := c.spoil(dir); err != nil {
			t.Fatal(err)
		}
		_, err := OpenCA(dir, "x", fixed(day), nil)
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got kind %s: %v", c.name, fault.KindOf(err), err)
		}
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root writes everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCA(filepath.Join(dir, "ca"), "x", nil, nil); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("got kind %s: %v", fault.KindOf(err), err)
	}
}

func lines(t *testing.T, ca *CA) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(ca.dir, issuedFile))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

func TestIssueServer(t *testing.T) {
	ca := openCA(t, t.TempDir())
	c, err := ca.IssueServer([]string{"c.example", "192.0.2.1"}, model.RoleController)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	for _, name := range []string{"c.example", "192.0.2.1"} { // as a browser would
		if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: day}); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: day, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("a server's certificate passes for a member's")
	}
	if c.Leaf.IsCA || c.Leaf.Subject.OrganizationalUnit[0] != "controller" || len(c.Certificate) != 2 {
		t.Errorf("got %v with %d certificates", c.Leaf.Subject, len(c.Certificate))
	}
	log := lines(t, ca)
	if len(log) != 2 || !strings.Contains(log[0], `"kind":"ca"`) || !strings.Contains(log[1], `"subject":"c.example,192.0.2.1"`) {
		t.Errorf("issued.log has %q", log)
	}
	for _, names := range [][]string{nil, {}} {
		if _, err := ca.IssueServer(names, model.RoleSite); !fault.Is(err, fault.Invalid) {
			t.Errorf("no names: got %v", err)
		}
	}
	// What cannot be recorded is not handed out.
	if err := os.RemoveAll(ca.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := ca.IssueServer([]string{"x"}, model.RoleSite); err == nil {
		t.Error("a certificate that is not in the record was handed out")
	}
}

func TestServerCertRenews(t *testing.T) {
	now := day
	ca, err := OpenCA(t.TempDir(), "x", func() time.Time { return now }, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := ca.Server([]string{"localhost"}, model.RoleSite)
	get := func() *x509.Certificate {
		t.Helper()
		c, err := s.Get()
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	first := get()
	now = day.Add(serverLife / 2)
	if get() != first {
		t.Error("it was renewed too early")
	}
	now = day.Add(serverLife * 3 / 4)
	second := get()
	if second == first || !second.NotAfter.After(first.NotAfter) {
		t.Error("it was not renewed")
	}
	os.RemoveAll(ca.dir) // the disk fails
	now = second.NotAfter.Add(-time.Hour)
	if get() != second {
		t.Error("a certificate that still holds was not used")
	}
	now = second.NotAfter.Add(time.Hour)
	if _, err := s.Get(); err == nil {
		t.Error("an expired certificate was used")
	}
}

// The same member with the same key gets the very same certificate, and one line in the record.
func TestIssueMember(t *testing.T) {
	dir := t.TempDir()
	ca := openCA(t, dir)
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	m := model.Member{ID: model.NodeID{7}, Kind: model.MemberHost, Name: "h", EnrolledAt: model.TimeOf(day), Epoch: 1}
	a, err := ca.IssueMember(m, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	again := openCA(t, dir) // also after a restart
	b, err := again.IssueMember(m, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Raw, b.Raw) {
		t.Error("the second certificate differs")
	}
	if n := len(lines(t, ca)); n != 2 {
		t.Errorf("issued.log has %d lines, want 2", n)
	}
	m.Epoch = 2
	c, err := ca.IssueMember(m, key.Public())
	if err != nil || c.SerialNumber.Cmp(a.SerialNumber) == 0 {
		t.Errorf("another epoch has the same serial number (%v)", err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.IssueMember(m, weak.Public()); !fault.Is(err, fault.Invalid) {
		t.Errorf("an RSA key: got %v", err)
	}
}

// A line that a crash cut off does not swallow the next one.
func TestIssuedLogTorn(t *testing.T) {
	dir := t.TempDir()
	openCA(t, dir)
	f, err := os.OpenFile(filepath.Join(dir, issuedFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"at":"2026-`)
	f.Close()
	ca := openCA(t, dir)
	if _, err := ca.IssueServer([]string{"x"}, model.RoleSite); err != nil {
		t.Fatal(err)
	}
	log := lines(t, ca)
	if len(log) != 3 || !strings.HasPrefix(log[2], "{") || !strings.HasSuffix(log[2], "}") {
		t.Errorf("got %q", log)
	}
	if n := len(openCA(t, dir).issued); n != 2 {
		t.Errorf("%d serials were read, want 2", n)
	}
}

// A machine that starts in 1970 founds an authority that others can use.
func TestCAWithoutClock(t *testing.T) {
	ca, err := OpenCA(t.TempDir(), "x", fixed(time.Unix(0, 0)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := ca.Certificate(); c.NotAfter.Before(day) || c.NotBefore.After(day) {
		t.Errorf("it holds from %v to %v", c.NotBefore, c.NotAfter)
	}
}
