package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// entry is one tar entry of a file that a forger makes.
type entry struct {
	name string
	body string
	edit func(*tar.Header) // nil: as Write does
}

// unpack returns the entries of a bundle.
func unpack(t testing.TB, file []byte) []entry {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var out []entry
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entry{name: h.Name, body: string(b)})
	}
}

// pack makes a file of entries, with tail behind the end of the tar stream.
func pack(t testing.TB, entries []entry, tail string) []byte {
	t.Helper()
	return squeeze(t, append(tarOf(t, entries), tail...))
}

func tarOf(t testing.TB, entries []entry) []byte {
	t.Helper()
	var tarred bytes.Buffer
	w := tar.NewWriter(&tarred)
	for _, e := range entries {
		h := header(e.name, int64(len(e.body)), Manifest{CreatedAt: testTime})
		if e.edit != nil {
			e.edit(h)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return tarred.Bytes()
}

// squeezer is one for all, since making one takes longer than what it packs.
var squeezer = sync.OnceValue(func() *zstd.Encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	if err != nil {
		panic(err)
	}
	return z
})

func squeeze(t testing.TB, b []byte) []byte {
	t.Helper()
	return sealed(squeezer().EncodeAll(b, nil))
}

// sealed puts the right seal behind a file.
func sealed(b []byte) []byte {
	h := sha256.New()
	h.Write(b)
	return append(b, sealOf(h)...)
}

// resign makes a bundle with the manifest edited as text and signed by keys, parts as given.
func resign(t testing.TB, entries []entry, edit func(string) string, keys ...*ecdsa.PrivateKey) []byte {
	t.Helper()
	entries = slices.Clone(entries)
	manifest := edit(entries[0].body)
	entries[0].body = manifest
	e := dsse.Envelope{PayloadType: PayloadType, Payload: base64.StdEncoding.EncodeToString([]byte(manifest)), Signatures: []dsse.Signature{}}
	for _, k := range keys {
		sig, err := signES256(k, dsse.PAE(PayloadType, []byte(manifest)))
		if err != nil {
			t.Fatal(err)
		}
		e.Signatures = append(e.Signatures, dsse.Signature{KeyID: KeyID(&k.PublicKey), Sig: base64.StdEncoding.EncodeToString(sig)})
	}
	entries[3].body = mustEncode(t, e)
	return pack(t, entries, "")
}

// resignParts is resign with a manifest that truly describes parts a and d.
func resignParts(t testing.TB, from model.Cursor, a, d string) []byte {
	t.Helper()
	m := Manifest{Format: Format, Origin: testOrigin, OriginName: "hq", From: from, To: cursor(10), CreatedAt: cursor(10).At, ExpiresAt: testTime * 2}
	for i, body := range []string{a, d} {
		h := newHashing(strings.NewReader(body))
		if _, err := io.Copy(io.Discard, h); err != nil {
			t.Fatal(err)
		}
		m.Parts = append(m.Parts, Part{Name: partNames[i], SHA256: h.hex(), Size: int64(len(body)), Lines: strings.Count(body, "\n")})
	}
	var canonicals distinct
	for line := range strings.Lines(a) {
		var r record
		if len(line) < 1<<20 && model.Decode([]byte(line), &r) == nil {
			canonicals.add(r.Canonical)
		}
	}
	m.Counts = Counts{Canonicals: canonicals.count(), Edges: m.Parts[0].Lines, Deletions: m.Parts[1].Lines}
	entries := []entry{{name: manifestName, body: mustEncode(t, m)}, {name: advisoriesName, body: a}, {name: deletionsName, body: d}, {name: signatureName}}
	return resign(t, entries, same, testKey(t, "signer"))
}

func same(s string) string { return s }

// TestRefused makes one bad file after the other. Each must be refused by Verify with the right kind and
// text, and Inspect must lay the fault at the right door.
func TestRefused(t *testing.T) {
	key := testKey(t, "signer")
	file := write(t, testConfig(t, testChanges(10)))
	whole := unpack(t, file)
	change := func(i int, edit func(*entry)) []byte {
		es := slices.Clone(whole)
		edit(&es[i])
		return pack(t, es, "")
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("%q is not in %q", old, s)
			}
			return strings.ReplaceAll(s, old, new)
		}
	}
	expired := good(t)
	expired.Now = testTime * 2
	retired, early, twoEntries, acceptance, kinds := good(t), good(t), good(t), good(t), good(t)
	retired.Trusted[0].RetiresAt = retired.Now
	retired.Trusted[0].Successor = "sha256:" + strings.Repeat("0", 64)
	early.Trusted[0].RetiresAt, early.Now = 1, testTime*2
	twoEntries.Trusted = append(twoEntries.Trusted, twoEntries.Trusted[0])
	twoEntries.Trusted[1].Revoked = true
	acceptance.Trusted[0].Purposes = []string{model.PurposeAcceptance}
	kinds.Trusted = otherKinds(t)
	revoked := good(t)
	revoked.Trusted[0].Revoked = true
	two := good(t)
	two.Threshold = 2
	twice := good(t)
	twice.Threshold = 2
	twice.Trusted = append(twice.Trusted, twice.Trusted...)
	small := func(edit func(*Limits)) VerifyConfig {
		c, lim := good(t), DefaultLimits()
		edit(&lim)
		c.Limits = &lim
		return c
	}
	line := strings.SplitAfter(whole[1].body, "\n")[0]
	gone := strings.SplitAfter(whole[2].body, "\n")[0]

	const hash, signature, format, expiry = 1, 2, 4, 8 // the checks that must fail
	for name, tc := range map[string]struct {
		file  []byte
		c     VerifyConfig
		kind  fault.Kind
		text  string
		fails int
	}{
		"unsigned":            {pack(t, whole[:3], ""), good(t), fault.Denied, "the bundle is not signed", hash | signature | format},
		"no signature inside": {resign(t, whole, same), good(t), fault.Denied, "it is not signed", signature | format},
		"altered part":        {change(1, func(e *entry) { e.body = replace("1.1-1", "9.9-9")(e.body) }), good(t), fault.Corrupt, "advisories.ndjson is not what the manifest says", hash | format},
		"line taken out":      {change(1, func(e *entry) { e.body = strings.Replace(e.body, line, "", 1) }), good(t), fault.Corrupt, "advisories.ndjson is not what the manifest says", hash | format},
		"altered deletions":   {change(2, func(e *entry) { e.body += gone }), good(t), fault.Corrupt, "deletions.ndjson is not what the manifest says", hash | format},
		"altered manifest":    {change(0, func(e *entry) { e.body = replace(`"hq"`, `"qh"`)(e.body) }), good(t), fault.Denied, "Signature verification failed", signature | format},
		"wrong key":           {resign(t, whole, same, testKey(t, "stranger")), good(t), fault.Denied, "no trusted key signed", signature | format},
		"no key trusted":      {file, VerifyConfig{Now: testTime}, fault.Denied, "no trusted key signed", signature | format},
		"revoked key":         {file, revoked, fault.Denied, "was revoked", signature | format},
		"revoked and not":     {file, twoEntries, fault.Denied, "was revoked", signature | format},
		"retired key":         {file, retired, fault.Denied, "was retired at 2025-01-15T11:30:00.000Z", signature | format},
		"retired and expired": {file, early, fault.Denied, "was retired", signature | format | expiry},
		"other purpose":       {file, acceptance, fault.Denied, "not for that purpose", signature | format},
		"high S":              {change(3, func(e *entry) { e.body = mirrored(t, e.body) }), good(t), fault.Denied, "not in its only form", signature | format},
		"other key id":        {change(3, func(e *entry) { e.body = replace(`"keyid":"sha256:`, `"keyid":"sha256-`)(e.body) }), good(t), fault.Denied, "names another key", signature | format},
		"no key id":           {change(3, func(e *entry) { e.body = replace(`"keyid"`, `"keyie"`)(e.body) }), good(t), fault.Denied, "names another key", signature | format},
		"other algorithm":     {change(3, func(e *entry) { e.body = signedByOthers(t, whole[0].body) }), kinds, fault.Denied, "no trusted key signed", signature | format},
		"DER signature":       {change(3, func(e *entry) { e.body = inDER(t, e.body) }), good(t), fault.Denied, "no trusted key signed", signature | format},
		"17 signatures":       {resign(t, whole, same, slices.Repeat([]*ecdsa.PrivateKey{key}, 17)...), good(t), fault.TooLarge, "more than 16 signatures", signature | format},
		"one key of two":      {file, two, fault.Denied, "1 trusted keys signed, 2 must", signature | format},
		"one key twice":       {resign(t, whole, same, key, key), good(t), fault.Denied, "signed more than once", signature | format},
		"one key twice of 2":  {resign(t, whole, same, key, key), twice, fault.Denied, "signed more than once", signature | format},
		"other payload type":  {change(3, func(e *entry) { e.body = replace(PayloadType, "text/plain")(e.body) }), good(t), fault.Denied, "text/plain", signature | format},
		"envelope not json":   {change(3, func(e *entry) { e.body = "-----BEGIN PGP SIGNATURE-----" }), good(t), fault.Corrupt, "not a DSSE envelope", signature | format},
		"expired":             {file, expired, fault.Expired, "expired at 2025-04-15T10:30:00.000Z", expiry},
		"truncated":           {file[:len(file)/2], good(t), fault.Corrupt, "the file ends early", hash | signature | format},
		"empty file":          {nil, good(t), fault.Corrupt, "", hash | signature | format | expiry},
		"not zstd":            {[]byte("PK\x03\x04 this is a zip file"), good(t), fault.Corrupt, "is no bundle: it looks like a zip archive", hash | signature | format | expiry},
		"JSON":                {[]byte("\n{\"id\": 1}\n"), good(t), fault.Corrupt, "is no bundle: it looks like JSON. Advisories as files are ingested", hash | signature | format | expiry},
		"words":               {[]byte("an ordinary text"), good(t), fault.Corrupt, "is no bundle: it looks like text", hash | signature | format | expiry},
		"zeros":               {make([]byte, 2*block), good(t), fault.Corrupt, "is no bundle: its first bytes are not", hash | signature | format | expiry},
		"three bytes":         {[]byte("\x28\xb5\x2f"), good(t), fault.Corrupt, "the file ends early", hash | signature | format | expiry},
		"not tar":             {squeeze(t, []byte(strings.Repeat("hello ", 200))), good(t), fault.Corrupt, "damaged or is no bundle", hash | signature | format | expiry},
		"unknown entry":       {pack(t, append(slices.Clone(whole[:3]), entry{name: "evil.sh"}, whole[3]), ""), good(t), fault.Corrupt, `entry 4 is "evil.sh"`, hash | signature | format},
		"entry with a path":   {change(1, func(e *entry) { e.name = "../advisories.ndjson" }), good(t), fault.Corrupt, "entry 2 is", hash | signature | format},
		"entry behind":        {pack(t, append(slices.Clone(whole), entry{name: "more.ndjson"}), ""), good(t), fault.Corrupt, `entry "more.ndjson" behind`, hash | format},
		"duplicate entry":     {pack(t, []entry{whole[0], whole[1], whole[1], whole[2], whole[3]}, ""), good(t), fault.Corrupt, `entry 3 is "advisories.ndjson"`, hash | signature | format},
		"other order":         {pack(t, []entry{whole[1], whole[0], whole[2], whole[3]}, ""), good(t), fault.Corrupt, "entry 1 is", hash | signature | format | expiry},
		"missing part":        {pack(t, []entry{whole[0], whole[1], whole[3]}, ""), good(t), fault.Corrupt, "entry 3 is", hash | signature | format},
		"bytes behind":        {pack(t, whole, "and more"), good(t), fault.Corrupt, "bytes behind the last entry", hash | format},
		"zeros behind":        {pack(t, whole, strings.Repeat("\x00", 20*block)), good(t), fault.Corrupt, "bytes behind the last entry", hash | format},
		"no end":              {squeeze(t, bytes.TrimRight(tarOf(t, whole), "\x00")), good(t), fault.Corrupt, "ends early", hash | format},
		"padding":             {squeeze(t, padded(t, whole)), good(t), fault.Corrupt, "bytes between entry 1 and the next", hash | signature | format},
		"no seal":             {file[:len(file)-sealSize], good(t), fault.Corrupt, "its seal does not hold", hash | format},
		"packed anew":         {repacked(t, file), good(t), fault.Corrupt, "its seal does not hold", hash | format},
		"two seals":           {append(bytes.Clone(file), file[len(file)-sealSize:]...), good(t), fault.Corrupt, "its seal does not hold", hash | format},
		"link for a file": {change(2, func(e *entry) {
			e.edit = func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc/passwd", 0 }
		}), good(t), fault.Corrupt, "not a plain USTAR file", hash | signature | format},
		"pax record": {change(1, func(e *entry) {
			e.edit = func(h *tar.Header) { h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{"SKERRY.x": "y"} }
		}), good(t), fault.Corrupt, "not a plain USTAR file", hash | signature | format},
		"line too long":         {change(1, func(e *entry) { e.body = strings.Repeat("x", 9<<20) + "\n" }), good(t), fault.TooLarge, "advisories.ndjson: line 1 is longer than 8388608 bytes", hash | signature | format},
		"line without end":      {change(1, func(e *entry) { e.body += "{}" }), good(t), fault.Corrupt, "line 9 has no end", hash | signature | format},
		"bomb by ratio":         {change(1, func(e *entry) { e.body = strings.Repeat(strings.Repeat(" ", 1<<20)+"\n", 40) }), good(t), fault.TooLarge, "more than 500 times", hash | signature | format},
		"bomb by size":          {file, small(func(l *Limits) { l.Expanded = 4096 }), fault.TooLarge, "expands to more than 4096 bytes", hash | signature | format},
		"file too big":          {file, small(func(l *Limits) { l.Compressed = 100 }), fault.TooLarge, "more than 100 bytes", hash | signature | format | expiry},
		"window too big":        {wideFrame(), good(t), fault.Corrupt, "damaged or is no bundle", hash | signature | format | expiry},
		"manifest too big":      {change(0, func(e *entry) { e.body += strings.Repeat(" ", 1<<20) }), good(t), fault.TooLarge, "manifest.json has more than", hash | signature | format | expiry},
		"signature too big":     {change(3, func(e *entry) { e.body += strings.Repeat(" ", 2<<20) }), good(t), fault.TooLarge, "signature.dsse.json has more than", hash | signature | format},
		"newer format":          {resign(t, whole, replace("skerry-bundle/2", "skerry-bundle/3"), key), good(t), fault.Version, "newer skerry", hash | format | expiry},
		"other format":          {resign(t, whole, replace("skerry-bundle/2", "feedser-bundle/1.0"), key), good(t), fault.Corrupt, "feedser-bundle/1.0", hash | format | expiry},
		"canonicals that lie":   {resign(t, whole, replace(`"canonicals":5`, `"canonicals":4`), key), good(t), fault.Corrupt, "(4 canonicals) are not those of its lines (5)", format},
		"more canonicals":       {resign(t, whole, replace(`"canonicals":5`, `"canonicals":9`), key), good(t), fault.Corrupt, "counts of the manifest", hash | format | expiry},
		"too many lines":        {file, small(func(l *Limits) { l.Lines = 9 }), fault.TooLarge, "more than 9 lines", hash | signature | format},
		"too many nodes":        {file, small(func(l *Limits) { l.Nodes = 7 }), fault.TooLarge, "more than 7 arrays and objects", format},
		"bad announced key":     {resign(t, whole, replace(`"parts":`, `"keys":[{"name":"x","public":"x"}],"parts":`), key), good(t), fault.Corrupt, "announced key", hash | format | expiry},
		"part of none":          {resign(t, whole, replace(`"parts":`, `"split":{"set":"sha256:`+strings.Repeat("0", 64)+`","index":1,"of":1,"counts":{"canonicals":5,"edges":8,"deletions":2}},"parts":`), key), good(t), fault.Corrupt, "part 1 of 1", hash | format | expiry},
		"counts that lie":       {resign(t, whole, replace(`"deletions":2`, `"deletions":3`), key), good(t), fault.Corrupt, "counts of the manifest", hash | format | expiry},
		"deep manifest":         {resign(t, whole, func(string) string { return strings.Repeat("[", 40) }, key), good(t), fault.TooLarge, "nested deeper", hash | format | expiry},
		"duplicate member":      {resign(t, whole, replace(`"origin_name":"hq"`, `"origin_name":"hq","origin_name":"qh"`), key), good(t), fault.Corrupt, "not a manifest", hash | format | expiry},
		"signed rubbish":        {resignParts(t, model.Cursor{}, line+"rubbish\n", ""), good(t), fault.Corrupt, "advisories.ndjson: line 2: not an advisory", format},
		"signed deep line":      {resignParts(t, model.Cursor{}, `{"x":`+strings.Repeat("[", 99)+"\n", ""), good(t), fault.TooLarge, "nested deeper", format},
		"signed outside range":  {resignParts(t, cursor(5), line, ""), good(t), fault.Corrupt, "outside the bundle's range", format},
		"signed out of order":   {resignParts(t, model.Cursor{}, strings.Join(reversed(whole[1].body), ""), ""), good(t), fault.Corrupt, "out of order", format},
		"signed keyless line":   {resignParts(t, model.Cursor{}, "", `{"source":"debian-dsa","id":"","cursor":"2025-01-15T10:30:00.000Z#0001"}`+"\n"), good(t), fault.Corrupt, "id has 1 to 128 bytes", format},
		"signed foreign source": {resignParts(t, model.Cursor{}, "", `{"source":"../x","id":"1","cursor":"2025-01-15T10:30:00.000Z#0001"}`+"\n"), good(t), fault.Corrupt, "source has only", format},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Verify(t.Context(), bytes.NewReader(tc.file), tc.c)
			wantFault(t, err, tc.kind, tc.text)
			if r != nil {
				t.Error("a Reader was handed over")
			}
			rep := Inspect(t.Context(), name, bytes.NewReader(tc.file), tc.c)
			got := 0
			for i, c := range []Check{rep.Hash, rep.Signature, rep.Format, rep.Expiry} {
				if !c.OK {
					got |= 1 << i
				}
				if c.OK == (c.Reason != "") {
					t.Errorf("check %d: ok %v with the reason %q", i, c.OK, c.Reason)
				}
			}
			if got != tc.fails || rep.Ready {
				t.Errorf("the checks that fail are %04b, want %04b; ready %v\n%s", got, tc.fails, rep.Ready, rep)
			}
		})
	}
}

// padded changes a byte between two entries.
func padded(t *testing.T, whole []entry) []byte {
	b := tarOf(t, whole)
	b[block+len(whole[0].body)+1] = 'x'
	return b
}

// repacked is the same tar in another zstd file, as a zstd program would make it.
func repacked(t *testing.T, file []byte) []byte {
	b := pack(t, unpack(t, file), "")
	return b[:len(b)-sealSize]
}

func reversed(body string) []string {
	ls := strings.SplitAfter(strings.TrimSuffix(body, "\n"), "\n")
	ls[len(ls)-1] += "\n"
	slices.Reverse(ls)
	return ls
}

// wideFrame returns a zstd frame (RFC 8878) that asks for a window of 2 GiB.
func wideFrame() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	b = append(b, 0x00, 21<<3) // no content size; window = 1 << (10+21)
	return append(b, 0x01, 0x00, 0x00)
}

func TestTwoKeysCount(t *testing.T) {
	a, b := testKey(t, "signer"), testKey(t, "second")
	whole := unpack(t, write(t, testConfig(t, testChanges(3))))
	c := good(t)
	c.Trusted, c.Threshold = trust(t, a, b), 2
	r, err := Verify(t.Context(), bytes.NewReader(resign(t, whole, same, b, a)), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Signers()) != 2 {
		t.Errorf("signers = %v, want both", r.Signers())
	}
}

// swap is a file whose content is replaced between two readings.
type swap struct {
	*bytes.Reader
	seeks int
	then  []byte
	at    int
}

func (s *swap) Seek(off int64, whence int) (int64, error) {
	if s.seeks++; s.seeks > s.at {
		s.Reader = bytes.NewReader(s.then)
	}
	return s.Reader.Seek(off, whence)
}

func TestFileThatChangesWhileRead(t *testing.T) {
	first := write(t, testConfig(t, testChanges(3)))
	other := write(t, testConfig(t, testChanges(4)))
	part := unpack(t, first)
	part[1].body = strings.ReplaceAll(part[1].body, "1.1-1", "9.9-9")
	for name, then := range map[string][]byte{"another bundle": other, "another part": pack(t, part, "")} {
		for at := 1; at <= 2; at++ { // before the lines are judged; before they are handed over
			src := &swap{Reader: bytes.NewReader(first), then: then, at: at}
			r, err := Verify(t.Context(), src, good(t))
			if err == nil {
				err = r.Each(t.Context(), func(model.AdvisoryChange) error { return nil })
			}
			if err == nil {
				t.Fatalf("%s after reading %d: not noticed", name, at)
			}
			wantFault(t, err, fault.Corrupt, "the file changed while it was read")
		}
	}
}

func TestReport(t *testing.T) {
	rep := Inspect(t.Context(), "delta.zst", bytes.NewReader(write(t, testConfig(t, testChanges(1250)))), good(t))
	id := KeyID(&testKey(t, "signer").PublicKey)
	want := `Bundle:   delta.zst
Version:  skerry-bundle/2
Site:     hq
Cursor:   2025-01-15T10:30:01.250Z#1250
Expires:  2025-04-15T10:30:00.000Z
Counts:
  Canonicals: 625
  Edges:      1,000
  Deletions:  250
  Total:      1,875
Verification:
  Hash:      ✓ Valid
  Signature: ✓ Valid (key: ` + id + `)
  Format:    ✓ Valid
  Expiry:    ✓ Valid
Ready for import.
`
	if rep.String() != want {
		t.Errorf("got\n%s\nwant\n%s", rep, want)
	}
	if !rep.Ready {
		t.Error("not ready")
	}
	// What nobody vouches for is a claim, and a signature that was not reached is not missing.
	es := unpack(t, write(t, testConfig(t, testChanges(10))))
	late := good(t)
	late.Now = testTime * 2
	cut := Inspect(t.Context(), "cut.zst", bytes.NewReader(pack(t, []entry{es[0], es[2]}, "")), late).String()
	for _, want := range []string{"Site:     hq (claimed)\n", "Counts (claimed):\n", "Signature: ✗ not checked: the file cannot be read as far as its signature\n", "Expiry:    ✗ verify bundle: the bundle expired at"} {
		if !strings.Contains(cut, want) {
			t.Errorf("%q is not in\n%s", want, cut)
		}
	}
	if unsigned := Inspect(t.Context(), "x", bytes.NewReader(pack(t, es[:3], "")), good(t)); !strings.Contains(unsigned.Signature.Reason, "has no signature") {
		t.Errorf("without a signature: %s", unsigned.Signature.Reason)
	}
	bad := Report{Site: "hq\x1b[2J\nReady for import."}
	if s := bad.String(); strings.Contains(s, "\x1b") || strings.Contains(s, "\nReady") {
		t.Errorf("a forged name reaches the terminal: %q", s)
	}
}
