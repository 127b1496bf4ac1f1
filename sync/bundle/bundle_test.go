package bundle

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var (
	testOrigin = model.NodeID{1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16}
	testTime   = model.TimeOf(time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC))
)

// testKey returns a key that depends on name alone.
func testKey(t testing.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	var seed [32]byte
	copy(seed[:], name)
	key, err := GenerateKey(rand.NewChaCha8(seed))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func trust(t testing.TB, keys ...*ecdsa.PrivateKey) []model.SignerKey {
	t.Helper()
	var out []model.SignerKey
	for i, k := range keys {
		pem, err := EncodePublic(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, model.SignerKey{ID: KeyID(&k.PublicKey), Name: fmt.Sprint("key", i), Public: string(pem)})
	}
	return out
}

func cursor(n int) model.Cursor {
	return model.Cursor{At: testTime.Add(time.Duration(n) * time.Millisecond), Seq: model.Seq(n)}
}

// testChanges returns n changes with the cursors 1 to n; every fifth is a deletion.
func testChanges(n int) []model.AdvisoryChange {
	var out []model.AdvisoryChange
	for i := 1; i <= n; i++ {
		c := model.AdvisoryChange{Key: model.AdvisoryKey{Source: "debian-dsa", ID: fmt.Sprintf("CVE-2025-%04d", i)}, Cursor: cursor(i)}
		if i%5 != 0 {
			c.Canonical = fmt.Sprintf("CVE-2025-%04d", i&^1) // two records each
			c.Advisory = &model.Advisory{
				AdvisoryKey: c.Key, Cursor: c.Cursor, Modified: testTime,
				Severity: []model.Score{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
				Affected: []model.Affected{{
					Ecosystem: "Debian:12", Name: fmt.Sprint("package-", i),
					Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: fmt.Sprintf("1.%d-1", i)}}}},
				}},
			}
		}
		out = append(out, c)
	}
	return out
}

func each(changes []model.AdvisoryChange) func(func(model.AdvisoryChange) error) error {
	return func(fn func(model.AdvisoryChange) error) error {
		for _, c := range changes {
			if err := fn(c); err != nil {
				return err
			}
		}
		return nil
	}
}

func testConfig(t testing.TB, changes []model.AdvisoryChange) WriteConfig {
	t.Helper()
	return WriteConfig{
		Origin: testOrigin, OriginName: "hq", To: cursor(len(changes)), ExpiresAt: testTime.Add(90 * 24 * time.Hour),
		Signer: testKey(t, "signer"), Changes: each(changes),
	}
}

func write(t testing.TB, c WriteConfig) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Write(t.Context(), &b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func good(t testing.TB) VerifyConfig {
	t.Helper()
	return VerifyConfig{Trusted: trust(t, testKey(t, "signer")), Now: testTime.Add(time.Hour)}
}

func TestRoundTrip(t *testing.T) {
	changes := testChanges(123)
	file := write(t, testConfig(t, changes))
	r, err := Verify(t.Context(), bytes.NewReader(file), good(t))
	if err != nil {
		t.Fatal(err)
	}
	m := r.Manifest()
	if m.Origin != testOrigin || m.OriginName != "hq" || m.To != cursor(123) || m.Counts != (Counts{Canonicals: 62, Edges: 99, Deletions: 24}) || m.CreatedAt != m.To.At {
		t.Errorf("manifest = %+v", m)
	}
	if want := KeyID(&testKey(t, "signer").PublicKey); len(r.Signers()) != 1 || r.Signers()[0] != want {
		t.Errorf("signers = %v, want %s", r.Signers(), want)
	}
	var puts, dels []model.AdvisoryChange
	for _, c := range changes {
		if c.Advisory != nil {
			puts = append(puts, c)
		} else {
			dels = append(dels, c)
		}
	}
	for range 2 { // a Reader may be read again
		var got []model.AdvisoryChange
		if err := r.Each(t.Context(), func(c model.AdvisoryChange) error { got = append(got, c); return nil }); err != nil {
			t.Fatal(err)
		}
		if g, w := mustEncode(t, got), mustEncode(t, append(append([]model.AdvisoryChange(nil), puts...), dels...)); g != w {
			t.Errorf("got\n%s\nwant\n%s", g, w)
		}
	}
}

func mustEncode(t testing.TB, v any) string {
	t.Helper()
	b, err := model.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSameStateSameBytes(t *testing.T) {
	c := testConfig(t, testChanges(2000))
	a, b := write(t, c), write(t, c)
	if !bytes.Equal(a, b) {
		t.Error("the same state gave other bytes")
	}
	c.ExpiresAt++
	if bytes.Equal(a, write(t, c)) {
		t.Error("another expiry gave the same bytes")
	}
}

func TestEachStopsAtTheCallersError(t *testing.T) {
	r, err := Verify(t.Context(), bytes.NewReader(write(t, testConfig(t, testChanges(10)))), good(t))
	if err != nil {
		t.Fatal(err)
	}
	stop := fmt.Errorf("enough")
	n := 0
	if err := r.Each(t.Context(), func(model.AdvisoryChange) error { n++; return stop }); err != stop || n != 1 {
		t.Errorf("Each gave %v after %d calls, want the caller's error after 1", err, n)
	}
}

func TestWriteRefuses(t *testing.T) {
	base := testChanges(5)
	huge := testChanges(1)
	huge[0].Advisory.Summary = strings.Repeat("x", DefaultLimits().Line)
	longCanonical := testChanges(1)
	longCanonical[0].Canonical = strings.Repeat("x", maxName+1)
	var manyKeys []model.SignerKey
	for i := range MaxKeys + 1 {
		manyKeys = append(manyKeys, trust(t, testKey(t, fmt.Sprint(i)))...)
	}
	noKey := testChanges(1)
	noKey[0].Key.Source = "Not A Source"
	for name, tc := range map[string]struct {
		edit func(*WriteConfig)
		kind fault.Kind
		text string
	}{
		"empty delta":     {func(c *WriteConfig) { c.From, c.Changes = cursor(3), each(nil) }, fault.NotFound, "nothing changed after 2025-01-15T10:30:00.003Z#0003: no bundle was made"},
		"empty store":     {func(c *WriteConfig) { c.Changes = each(nil) }, fault.NotFound, "no advisories yet"},
		"no key":          {func(c *WriteConfig) { c.Signer = nil }, fault.Invalid, "skerry keys generate"},
		"out of order":    {func(c *WriteConfig) { c.Changes = each([]model.AdvisoryChange{base[1], base[0]}) }, fault.Other, "out of order"},
		"outside range":   {func(c *WriteConfig) { c.To = cursor(2) }, fault.Invalid, "outside the bundle's range"},
		"too long":        {func(c *WriteConfig) { c.Changes = each(huge) }, fault.TooLarge, "more than"},
		"bad source":      {func(c *WriteConfig) { c.Changes = each(noKey) }, fault.Invalid, "source"},
		"no expiry":       {func(c *WriteConfig) { c.ExpiresAt = 0 }, fault.Corrupt, "no expiry"},
		"no origin":       {func(c *WriteConfig) { c.Origin = model.NodeID{} }, fault.Corrupt, "no origin"},
		"too small parts": {func(c *WriteConfig) { c.Split = MinSplit - 1 }, fault.Invalid, "a set of parts does not go into one file"},
		"no folder":       {func(c *WriteConfig) { c.Spool = "testdata/golden-1.zst" }, fault.ReadOnly, "not a directory"},
		"other curve":     {func(c *WriteConfig) { c.Signer = strangers()[2] }, fault.Invalid, "not an ECDSA P-256 key"},
		"long canonical":  {func(c *WriteConfig) { c.Changes = each(longCanonical) }, fault.Invalid, "canonical"},
		"too many keys":   {func(c *WriteConfig) { c.Announce = manyKeys }, fault.Corrupt, "announces 17 keys"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, base)
			tc.edit(&c)
			_, err := Write(t.Context(), new(bytes.Buffer), c)
			wantFault(t, err, tc.kind, tc.text)
		})
	}
}

func wantFault(t *testing.T, err error, kind fault.Kind, text string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v (kind %v), want kind %v with %q", err, fault.KindOf(err), kind, text)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %q", err)
	}
}

func TestAdmit(t *testing.T) {
	m := Manifest{OriginName: "hq", From: cursor(10), To: cursor(20)}
	whole := Manifest{OriginName: "hq", To: cursor(20)}
	for name, tc := range map[string]struct {
		have  model.Cursor
		m     Manifest
		force bool
		text  string // empty: admitted
	}{
		"next":         {cursor(10), m, false, ""},
		"overlap":      {cursor(15), m, false, ""},
		"first whole":  {model.Cursor{}, whole, false, ""},
		"the same":     {cursor(20), m, false, "Cursor not after current: this server already holds everything of hq through " + cursor(20).String() + "; there is nothing to import"},
		"stale":        {cursor(25), m, false, "Cursor not after current: the bundle ends at " + cursor(20).String() + " and this server already holds everything of hq through " + cursor(25).String() + "; there is nothing to import"},
		"stale forced": {cursor(25), m, true, ""},
		"gap":          {cursor(9), m, false, "skerry bundle export -c '" + cursor(9).String() + "' -o delta.zst"},
		"gap at start": {model.Cursor{}, m, false, "skerry bundle export -o delta.zst"},
		"gap forced":   {cursor(9), m, true, "gap"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Admit(tc.have, tc.m, tc.force)
			if tc.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFault(t, err, fault.Conflict, tc.text)
		})
	}
}

func TestExpiry(t *testing.T) {
	day := model.Time((24 * time.Hour).Milliseconds())
	to := model.Cursor{At: testTime, Seq: 1}
	for _, tc := range []struct{ age, want model.Time }{{0, 90}, {45, 90}, {46, 180}, {135, 180}, {136, 270}, {-10, 90}} {
		if got := Expiry(to, testTime+tc.age*day); got != testTime+tc.want*day {
			t.Errorf("%d days after the change: expires %v, want %d days after it", tc.age, got, tc.want)
		}
	}
	if got := Expiry(model.Cursor{Seq: 1}, testTime); got <= testTime {
		t.Errorf("a cursor without a time expires at %v, in the past", got)
	}
}

func TestKeys(t *testing.T) {
	key := testKey(t, "one")
	if !key.Equal(testKey(t, "one")) || key.Equal(testKey(t, "two")) {
		t.Error("GenerateKey does not depend on its randomness alone")
	}
	priv, err := EncodePrivate(key)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := EncodePublic(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParsePrivate(priv); err != nil || !got.Equal(key) {
		t.Errorf("ParsePrivate: %v", err)
	}
	if got, err := ParsePublic(pub); err != nil || !got.Equal(&key.PublicKey) {
		t.Errorf("ParsePublic: %v", err)
	}
	if id := KeyID(&key.PublicKey); len(id) != 71 || !strings.HasPrefix(id, "sha256:") {
		t.Errorf("KeyID = %q", id)
	}
	// An Ed25519 key, as openssl makes it: well formed and not for this.
	const ed = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
	for name, b := range map[string]string{
		"nothing": "", "no pem": "hello", "private": string(priv), "ed25519": ed,
		"two keys": string(pub) + string(pub), "long": strings.Repeat("\n", 20<<10) + string(pub),
	} {
		if _, err := ParsePublic([]byte(b)); err == nil {
			t.Errorf("%s: accepted as a public key", name)
		}
	}
	if _, err := ParsePrivate(pub); err == nil {
		t.Error("a public key was accepted as a private one")
	}
}

func TestSpool(t *testing.T) {
	dir := t.TempDir()
	f, err := Spool(strings.NewReader("12345"), dir, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 5)
	if _, err := f.Read(b); err != nil || string(b) != "12345" {
		t.Errorf("read %q, %v", b, err)
	}
	_, err = Spool(strings.NewReader("123456"), dir, 5)
	wantFault(t, err, fault.TooLarge, "Bundle too large")
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
