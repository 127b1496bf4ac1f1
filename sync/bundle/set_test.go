package bundle

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// cutAt writes a set that is cut before those changes, whatever their size.
func cutAt(t testing.TB, c WriteConfig, at ...int) [][]byte {
	t.Helper()
	p, err := newPacker(c)
	if err != nil {
		t.Fatal(err)
	}
	changes, n := c.Changes, 0
	c.Changes = func(fn func(model.AdvisoryChange) error) error {
		return changes(func(ch model.AdvisoryChange) error {
			if slices.Contains(at, n) {
				if err := p.cut(); err != nil {
					t.Fatal(err)
				}
			}
			n++
			return fn(ch)
		})
	}
	m, err := p.fill(t.Context(), "test", c)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.prepare("test", c, m)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	return filesOf(t, out)
}

func filesOf(t testing.TB, p *Prepared) [][]byte {
	t.Helper()
	var files [][]byte
	for i := 1; i <= p.Files(); i++ {
		var b bytes.Buffer
		if err := p.Copy(t.Context(), i, &b); err != nil {
			t.Fatal(err)
		}
		if int64(b.Len()) != p.Size(i) {
			t.Errorf("part %d has %d bytes, and said %d", i, b.Len(), p.Size(i))
		}
		files = append(files, b.Bytes())
	}
	return files
}

func readers(files ...[]byte) []io.ReadSeeker {
	var out []io.ReadSeeker
	for _, f := range files {
		out = append(out, bytes.NewReader(f))
	}
	return out
}

// noisy returns changes that do not compress well, of several hundred bytes each, with a few long ones.
func noisy(n int, seed uint64) []model.AdvisoryChange {
	r := rand.New(rand.NewPCG(seed, 1))
	changes := testChanges(n)
	for i := range changes {
		if a := changes[i].Advisory; a != nil {
			size := 20 + r.IntN(400)
			if r.IntN(100) == 0 {
				size = 5000
			}
			for range size / 10 {
				a.Aliases = append(a.Aliases, fmt.Sprintf("%010x", r.Uint64()))
			}
		}
	}
	return changes
}

// TestSplit writes sets of several sizes: no part is larger, all are nearly as large, the same state gives the same bytes, and
// together, in whatever order, they are what one bundle would be.
func TestSplit(t *testing.T) {
	const seed = 7
	changes := noisy(2500, seed)
	c := testConfig(t, changes)
	whole, err := Verify(t.Context(), bytes.NewReader(write(t, c)), good(t))
	if err != nil {
		t.Fatal(err)
	}
	sorted := func(r *Reader) string {
		got := changesOf(t, r)
		slices.SortFunc(got, func(a, b model.AdvisoryChange) int { return a.Cursor.Compare(b.Cursor) })
		return mustEncode(t, got)
	}
	want := sorted(whole)
	for _, size := range []int64{MinSplit, 200_000} {
		c.Split = size
		p, err := Prepare(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		files := filesOf(t, p)
		again, err := Prepare(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if p.Files() < 2 || again.Hash() != p.Hash() || !slices.EqualFunc(files, filesOf(t, again), bytes.Equal) {
			t.Errorf("size %d: %d parts; the same state gave other bytes", size, p.Files())
		}
		for i, f := range files {
			if n := int64(len(f)); n > size || n < size/2 && i+1 < len(files) {
				t.Errorf("size %d: part %d of %d has %d bytes", size, i+1, len(files), n)
			}
		}
		rand.New(rand.NewPCG(seed, uint64(size))).Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		set, err := VerifySet(t.Context(), readers(files...), good(t))
		if err != nil {
			t.Fatal(err)
		}
		m, w := set.Manifest(), whole.Manifest()
		if m.Counts != w.Counts || m.From != w.From || m.To != w.To || set.Hash() != p.Hash() || !slices.Equal(set.Signers(), whole.Signers()) {
			t.Errorf("size %d: manifest %+v, want %+v", size, m, w)
		}
		if sorted(set) != want {
			t.Errorf("size %d: the set holds other changes than the whole", size)
		}
		_, _ = p.Close(), again.Close()
	}
	c.Split = 1 << 30
	p, err := Prepare(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Files() != 1 || p.Manifest(1).Split != nil || p.Hash() != whole.Hash() {
		t.Errorf("what fits into one file became %d parts", p.Files())
	}
	wantFault(t, p.Copy(t.Context(), 2, io.Discard), fault.NotFound, "there is no part 2")
}

func TestSplitRefuses(t *testing.T) {
	c := testConfig(t, noisy(2000, 3))
	c.Split = MinSplit - 1
	_, err := Prepare(t.Context(), c)
	wantFault(t, err, fault.Invalid, "at least 65536 bytes")
	long := noisy(3, 3)
	r := rand.New(rand.NewPCG(5, 5))
	for range 20_000 {
		long[1].Advisory.Aliases = append(long[1].Advisory.Aliases, fmt.Sprintf("%016x", r.Uint64()))
	}
	c = testConfig(t, long)
	c.Split = MinSplit
	_, err = Prepare(t.Context(), c)
	wantFault(t, err, fault.TooLarge, "debian-dsa/CVE-2025-0002 alone does not fit")
}

// TestSetRefused gives VerifySet what is no whole set.
func TestSetRefused(t *testing.T) {
	c := goldenConfig(t)
	v := good(t)
	v.Trusted = trust(t, testKey(t, "golden"))
	parts := cutAt(t, c, 4, 7)
	otherCuts := cutAt(t, c, 4, 8)
	later := goldenConfig(t)
	later.ExpiresAt++
	others := cutAt(t, later, 4, 7)
	alone := write(t, c)
	// A part that a trusted key signed, and that says it is of this set, and was not in its plan.
	forged := resign(t, unpack(t, otherCuts[1]), func(m string) string {
		return strings.Replace(m, splitOf(t, otherCuts[1], v).Set, splitOf(t, parts[1], v).Set, 1)
	}, testKey(t, "golden"))
	altered := bytes.Clone(parts[1])
	altered[len(altered)/2]++
	for name, tc := range map[string]struct {
		files [][]byte
		kind  fault.Kind
		text  string
	}{
		"nothing":        {nil, fault.Invalid, "no set of parts"},
		"one is missing": {[][]byte{parts[2], parts[0]}, fault.Invalid, "of 3 parts these are missing: 2"},
		"one alone":      {[][]byte{parts[0]}, fault.Invalid, "of 3 parts these are missing: 2, 3"},
		"one twice":      {[][]byte{parts[0], parts[1], parts[1], parts[2]}, fault.Invalid, "part 2 is given twice"},
		"other cuts":     {[][]byte{parts[0], otherCuts[1], parts[2]}, fault.Conflict, "different exports"},
		"other export":   {[][]byte{parts[0], parts[1], others[2]}, fault.Conflict, "different exports"},
		"whole and part": {[][]byte{parts[0], alone}, fault.Invalid, "a whole bundle and no part"},
		"part and whole": {[][]byte{alone, parts[0]}, fault.Invalid, "a whole bundle and no part"},
		"two wholes":     {[][]byte{alone, alone}, fault.Invalid, "a whole bundle and no part"},
		"not its plan":   {[][]byte{parts[0], forged, parts[2]}, fault.Corrupt, "not those that the set"},
		"altered":        {[][]byte{parts[0], altered, parts[2]}, fault.Corrupt, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := VerifySet(t.Context(), readers(tc.files...), v)
			wantFault(t, err, tc.kind, tc.text)
			if r != nil {
				t.Error("a Reader was handed over")
			}
		})
	}
	if r, err := VerifySet(t.Context(), readers(alone), v); err != nil || r.Manifest().Split != nil {
		t.Errorf("one whole bundle: %v", err)
	}
	rep := Inspect(t.Context(), "x", bytes.NewReader(parts[1]), v)
	for _, want := range []string{"Part:     2 of 3 of the set sha256:", "Ready for import, with the other parts.\n"} {
		if !rep.Ready || !strings.Contains(rep.String(), want) {
			t.Errorf("%q is not in\n%s", want, rep)
		}
	}
}

func splitOf(t *testing.T, part []byte, v VerifyConfig) Split {
	t.Helper()
	r, err := Verify(t.Context(), bytes.NewReader(part), v)
	if err != nil {
		t.Fatal(err)
	}
	return *r.Manifest().Split
}

// TestWaiting brings parts one after the other, with a restart in between, and takes the set when it is whole.
func TestWaiting(t *testing.T) {
	v := good(t)
	v.Trusted = trust(t, testKey(t, "golden"))
	parts := cutAt(t, goldenConfig(t), 4, 7)
	set := splitOf(t, parts[0], v).Set
	dir := filepath.Join(t.TempDir(), "waiting")
	now := testTime.Std()
	add := func(w *Waiting, part []byte) Waited {
		t.Helper()
		r, err := Verify(t.Context(), bytes.NewReader(part), v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.Add(t.Context(), r, now)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	w := &Waiting{Dir: dir}
	if sets, err := w.Sets(); err != nil || sets != nil {
		t.Errorf("before anything came: %v, %v", sets, err)
	}
	if got := add(w, parts[2]); got.Set != set || got.Of != 3 || !slices.Equal(got.Have, []int{3}) || !slices.Equal(got.Missing, []int{1, 2}) || got.Bytes != int64(len(parts[2])) {
		t.Errorf("after part 3: %+v", got)
	}
	_, err := w.Verify(t.Context(), set, v)
	wantFault(t, err, fault.Invalid, "these are missing: 1, 2")
	add(w, parts[0])
	add(w, parts[0]) // again
	if err := os.WriteFile(filepath.Join(dir, "123.new"), []byte("half of a part"), 0o600); err != nil {
		t.Fatal(err)
	}
	w = &Waiting{Dir: dir}
	if got := add(w, parts[1]); len(got.Missing) != 0 || len(got.Have) != 3 {
		t.Errorf("after all parts: %+v", got)
	}
	h, err := w.Verify(t.Context(), set, v)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(changesOf(t, h.Reader)); n != 10 {
		t.Errorf("the set holds %d changes", n)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := w.Drop(set); err != nil {
		t.Error(err)
	}
	if err := w.Drop(set); err != nil {
		t.Errorf("dropped twice: %v", err)
	}
	if sets, err := w.Sets(); err != nil || len(sets) != 0 {
		t.Errorf("after it was dropped: %v, %v", sets, err)
	}
	_, err = w.Verify(t.Context(), set, v)
	wantFault(t, err, fault.NotFound, "no part")
	wantFault(t, w.Drop("sha256:../../etc"), fault.Invalid, "names no set")
	whole, err := Verify(t.Context(), bytes.NewReader(write(t, goldenConfig(t))), v)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Add(t.Context(), whole, now)
	wantFault(t, err, fault.Invalid, "no part of a set")
}

// TestWaitingIsBounded brings parts of more sets than may wait, larger ones than may be, and lets one wait too long.
func TestWaitingIsBounded(t *testing.T) {
	v := good(t)
	v.Trusted = trust(t, testKey(t, "golden"))
	w := &Waiting{Dir: t.TempDir(), MaxSets: 3}
	now := testTime.Std()
	var sets []string
	add := func(expires model.Time) (Waited, error) {
		c := goldenConfig(t)
		c.ExpiresAt += expires
		parts := cutAt(t, c, 4, 7)
		r, err := Verify(t.Context(), bytes.NewReader(parts[0]), v)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, r.Manifest().Split.Set)
		now = now.Add(time.Hour)
		return w.Add(t.Context(), r, now)
	}
	for i := range 3 {
		if got, err := add(model.Time(i)); err != nil || got.Dropped != nil {
			t.Fatalf("set %d: %+v, %v", i, got, err)
		}
	}
	if got, err := add(3); err != nil || !slices.Equal(got.Dropped, sets[:1]) {
		t.Errorf("the fourth set dropped %v (%v), want %v", got.Dropped, err, sets[0])
	}
	w.MaxBytes = 4000
	got, err := add(4)
	if err != nil || len(got.Dropped) == 0 {
		t.Errorf("over the bytes it dropped %v (%v)", got.Dropped, err)
	}
	w.MaxBytes = 100
	_, err = add(5)
	wantFault(t, err, fault.TooLarge, "more than 100 bytes")
	w.MaxBytes = 0
	if err := w.Clean(now.Add(31 * 24 * time.Hour)); err != nil {
		t.Error(err)
	}
	if left, err := w.Sets(); err != nil || len(left) != 0 {
		t.Errorf("after a month: %v, %v", left, err)
	}
}
