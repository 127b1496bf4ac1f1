package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TestEveryPrefix cuts a bundle after every byte.
func TestEveryPrefix(t *testing.T) {
	file := write(t, testConfig(t, testChanges(3)))
	c := good(t)
	for n := range file {
		if _, err := Verify(t.Context(), bytes.NewReader(file[:n]), c); err == nil || fault.KindOf(err) == fault.Other {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(file), err)
		}
	}
}

// everyByte alters every byte of b, by one bit and by all, and calls fn with each result.
func everyByte(b []byte, fn func(i int, b []byte)) {
	b = bytes.Clone(b)
	for i := range b {
		for _, f := range []byte{1 << (i % 8), 0xff} {
			b[i] ^= f
			fn(i, b)
			b[i] ^= f
		}
	}
}

// TestEveryByte alters a bundle of every layout, a byte at a time: none is taken.
func TestEveryByte(t *testing.T) {
	c := testConfig(t, testChanges(3))
	c.Announce = trust(t, testKey(t, "next"))
	file := write(t, c)
	v := good(t)
	refused := func(where string, b []byte) {
		t.Helper()
		if _, err := Verify(t.Context(), bytes.NewReader(b), v); err == nil || fault.KindOf(err) == fault.Other {
			t.Fatalf("%s altered: %v", where, err)
		}
	}
	everyByte(file, func(i int, b []byte) { refused(fmt.Sprintf("byte %d of %d", i, len(b)), b) })
	plain := new(bytes.Buffer)
	if err := Untar(t.Context(), bytes.NewReader(file), plain); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), bytes.NewReader(plain.Bytes()), v); err != nil {
		t.Fatal(err)
	}
	everyByte(plain.Bytes(), func(i int, b []byte) { refused(fmt.Sprintf("byte %d of the tar", i), b) })
	part := cutAt(t, c, 2)[0]
	everyByte(part, func(i int, b []byte) { refused(fmt.Sprintf("byte %d of a part", i), b) })
}

// TestReplay gives a store, in one order after the other, every bundle that an origin ever made: it takes those that bring it
// further and join on to what it holds, and nothing else.
func TestReplay(t *testing.T) {
	bundles := map[string]Manifest{}
	for name, at := range map[string][2]int{"whole": {0, 10}, "next": {10, 20}, "overlap": {5, 25}, "newest": {20, 30}, "all": {0, 30}} {
		changes := testChanges(30)[at[0]:at[1]]
		c := testConfig(t, changes)
		c.From, c.To = model.Cursor{}, cursor(at[1])
		if at[0] > 0 {
			c.From = cursor(at[0])
		}
		r, err := Verify(t.Context(), bytes.NewReader(write(t, c)), good(t))
		if err != nil {
			t.Fatal(err)
		}
		bundles[name] = r.Manifest()
	}
	for _, tc := range []struct{ order, taken string }{
		{"whole next newest", "whole next newest"},
		{"whole whole next", "whole next"},
		{"next whole next newest", "whole next newest"},
		{"newest all whole next overlap newest", "all"},
		{"whole newest overlap next newest", "whole overlap newest"},
		{"overlap next newest", ""},
	} {
		have, taken := model.Cursor{}, []string{}
		for name := range strings.FieldsSeq(tc.order) {
			m := bundles[name]
			err := Admit(have, m, false)
			if err == nil {
				taken = append(taken, name)
				have = m.To
			} else if !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		}
		if got := strings.Join(taken, " "); got != tc.taken {
			t.Errorf("of %q it took %q, want %q", tc.order, got, tc.taken)
		}
	}
}

// bomb is a file that is small and wants to become large.
type bomb struct {
	name string
	kind fault.Kind
	make func(t *testing.T) []byte
	skip bool // whoever reads it does not ask for a signature
}

// run returns a zstd frame of n times c, in blocks of 4 bytes for every 128 KiB (RFC 8878 section 3.1.1.2, RLE_Block).
func run(c byte, n int64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	b = append(b, 0x00, 13<<3) // a window of 8 MiB
	for n > 0 {
		size := min(n, 128<<10)
		h := uint32(size)<<3 | 1<<1
		if n -= size; n == 0 {
			h |= 1
		}
		b = append(b, byte(h), byte(h>>8), byte(h>>16), c)
	}
	return b
}

// frameOf returns a zstd frame of b.
func frameOf(b []byte) []byte { return squeezer().EncodeAll(b, nil) }

// inTar returns a file with an entry of the name, behind those that come before it, and frames as its content, under a header
// that may claim another size.
func inTar(t *testing.T, name string, claim int64, frames []byte) []byte {
	t.Helper()
	var b []byte
	for _, n := range entryNames[:slices.Index(entryNames[:], name)+1] {
		size := int64(0)
		if n == name {
			size = claim
		}
		h, err := headerBlock(n, size, Manifest{})
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, h...)
	}
	return append(frameOf(b), frames...)
}

// signedLine returns a bundle that is right in all but that its one advisory is that line.
func signedLine(t *testing.T, line string) []byte {
	t.Helper()
	return resignParts(t, model.Cursor{}, line+"\n", "")
}

// spoiled returns a bundle with one of its entries edited.
func spoiled(t *testing.T, i int, edit func(e *entry)) []byte {
	t.Helper()
	es := unpack(t, write(t, testConfig(t, testChanges(2))))
	edit(&es[i])
	return pack(t, es, "")
}

const lineHead = `{"source":"a","id":"b","cursor":"2025-01-15T10:30:00.000Z#0001",`

var bombs = []bomb{
	{name: "1 GiB of nothing", kind: fault.Corrupt, make: func(t *testing.T) []byte { return run(0, 1<<30) }},
	{name: "1 GiB in the manifest", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		return inTar(t, manifestName, 1<<30, run(' ', 1<<30))
	}},
	{name: "1 GiB in a line", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		return inTar(t, advisoriesName, 1<<30, run(' ', 1<<30))
	}},
	{name: "1 GiB of empty lines", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		return inTar(t, advisoriesName, 1<<30, run('\n', 1<<30))
	}},
	{name: "1 GiB of lines", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		mebibyte := append(run(' ', 1<<20-1), run('\n', 1)...)
		return inTar(t, advisoriesName, 1<<30, bytes.Repeat(mebibyte, 1<<10))
	}},
	{name: "1 GiB behind the manifest", kind: fault.Corrupt, make: func(t *testing.T) []byte {
		return inTar(t, manifestName, 2, run(0, 1<<30))
	}},
	{name: "1 GiB behind the end", kind: fault.Corrupt, make: func(t *testing.T) []byte {
		file := write(t, testConfig(t, testChanges(2)))
		return append(file[:len(file)-sealSize], run(0, 1<<30)...)
	}},
	{name: "9 GiB", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		return inTar(t, advisoriesName, 8<<30-1, run('\n', 9<<30))
	}},
	{name: "four million lines", kind: fault.TooLarge, skip: true, make: func(t *testing.T) []byte {
		return inTar(t, advisoriesName, 8<<30-1, frameOf([]byte(strings.Repeat("0123456789\n", DefaultLimits().Lines+1))))
	}},
	{name: "ten million entries", kind: fault.Corrupt, make: func(t *testing.T) []byte {
		h, err := headerBlock(manifestName, 0, Manifest{})
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Repeat(frameOf(bytes.Repeat(h, 10_000)), 1000)
	}},
	{name: "ten million frames", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		return bytes.Repeat([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0}, 10_000_000) // of nothing each
	}},
	{name: "many skippable frames", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		file := write(t, testConfig(t, testChanges(2)))
		return append(bytes.Repeat(sealOf(sha256.New()), 1_000_000), file...)
	}},
	{name: "a skippable frame of 4 GiB", kind: fault.Corrupt, make: func(t *testing.T) []byte {
		return []byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff, 0}
	}},
	{name: "a window of 2 GiB", kind: fault.Corrupt, make: func(t *testing.T) []byte { return wideFrame() }},
	{name: "JSON a million deep", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		return signedLine(t, lineHead+`"x":`+strings.Repeat("[", 1_000_000)+strings.Repeat("]", 1_000_000)+"}")
	}},
	{name: "a manifest a million deep", kind: fault.TooLarge, skip: true, make: func(t *testing.T) []byte {
		return spoiled(t, 0, func(e *entry) { e.body = strings.Repeat("[", 1_000_000) })
	}},
	{name: "an envelope a million deep", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		return spoiled(t, 3, func(e *entry) { e.body = strings.Repeat("[", 1_000_000) })
	}},
	{name: "a line of millions of objects", kind: fault.TooLarge, make: func(t *testing.T) []byte {
		return signedLine(t, lineHead+`"affected":[`+strings.Repeat("{},", 2_600_000)+"{}]}")
	}},
	{name: "a line of as many objects as may be", make: func(t *testing.T) []byte {
		return signedLine(t, lineHead+`"affected":[`+strings.Repeat("{},", DefaultLimits().Nodes-3)+"{}]}")
	}},
	{name: "a line of as many strings as may be", make: func(t *testing.T) []byte {
		return signedLine(t, lineHead+`"aliases":[`+strings.Repeat(`"a",`, DefaultLimits().Values-3)+`"a"]}`)
	}},
	{name: "members that are there twice", kind: fault.Corrupt, make: func(t *testing.T) []byte {
		return signedLine(t, lineHead+strings.Repeat(`"source":"b",`, 100_000)+`"id":"c"}`)
	}},
	{name: "a member that is there twice", kind: fault.Corrupt, make: func(t *testing.T) []byte {
		return signedLine(t, lineHead+`"id":"c"}`)
	}},
	{name: "many unknown members", make: func(t *testing.T) []byte {
		var b strings.Builder
		b.WriteString(lineHead)
		for i := range 100_000 {
			fmt.Fprintf(&b, `"x%d":0,`, i)
		}
		return signedLine(t, b.String()+`"y":0}`)
	}},
}

// Entries that are no plain files, as the forms of tar have them.
func init() {
	for name, edit := range map[string]func(h *tar.Header){
		"a symbolic link":  func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc/passwd", 0 },
		"a hard link":      func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = tar.TypeLink, "/etc/passwd", 0 },
		"a device":         func(h *tar.Header) { h.Typeflag, h.Devmajor, h.Size = tar.TypeBlock, 8, 0 },
		"a character dev":  func(h *tar.Header) { h.Typeflag, h.Devmajor, h.Size = tar.TypeChar, 1, 0 },
		"a pipe":           func(h *tar.Header) { h.Typeflag, h.Size = tar.TypeFifo, 0 },
		"a folder":         func(h *tar.Header) { h.Typeflag, h.Size = tar.TypeDir, 0 },
		"a path upwards":   func(h *tar.Header) { h.Name = "../../../../etc/cron.d/x" },
		"an absolute path": func(h *tar.Header) { h.Name = "/etc/passwd" },
		"a dot":            func(h *tar.Header) { h.Name = "./manifest.json" },
		"a long name":      func(h *tar.Header) { h.Name = strings.Repeat("a/", 60) + "manifest.json" },
		"PAX":              func(h *tar.Header) { h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{"SKERRY.x": "y"} },
		"PAX, long":        func(h *tar.Header) { h.Format, h.Name = tar.FormatPAX, strings.Repeat("manifest", 100) },
		"GNU":              func(h *tar.Header) { h.Format = tar.FormatGNU },
		"GNU, long":        func(h *tar.Header) { h.Format, h.Name = tar.FormatGNU, strings.Repeat("manifest", 100) },
	} {
		bombs = append(bombs, bomb{name: "tar: " + name, kind: fault.Corrupt, skip: true, make: func(t *testing.T) []byte {
			return spoiled(t, 0, func(e *entry) { e.edit = edit })
		}})
	}
	for name, sparse := range map[string]map[string]string{
		"sparse 0.1": {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1", "GNU.sparse.size": "1099511627776"},
		"sparse 1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": manifestName, "GNU.sparse.realsize": "1099511627776"},
	} {
		bombs = append(bombs, bomb{name: "tar: " + name, kind: fault.Corrupt, skip: true, make: func(t *testing.T) []byte {
			var records strings.Builder
			for _, k := range slices.Sorted(maps.Keys(sparse)) {
				record := " " + k + "=" + sparse[k] + "\n"
				n := len(record) + 2
				if n >= 100 {
					n++
				}
				fmt.Fprintf(&records, "%d%s", n, record)
			}
			// The header of PAX records, as a file would have it, then the sparse file.
			h, err := headerBlock("PaxHeaders.0/manifest.json", int64(records.Len()), Manifest{})
			if err != nil {
				t.Fatal(err)
			}
			h[156] = 'x'
			sum := 8 * 32
			for i, c := range h {
				if i < 148 || i >= 156 {
					sum += int(c)
				}
			}
			copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
			es := tarOf(t, unpack(t, write(t, testConfig(t, testChanges(2)))))
			b := slices.Concat(h, []byte(records.String()), padding(int64(records.Len())), es)
			return squeeze(t, b)
		}})
	}
}

// mostGrowth is how much memory a process may take to refuse a file, beside what it has.
const mostGrowth = 64 << 20

// TestBombs gives every bomb to a process of its own, which says what it made of it and how much memory that took.
func TestBombs(t *testing.T) {
	if path := os.Getenv("BUNDLE_BOMB"); path != "" {
		defuse(t, path)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("how much memory a process took is read as Linux shows it")
	}
	slices.SortFunc(bombs, func(a, b bomb) int { return strings.Compare(a.name, b.name) })
	for _, b := range bombs {
		t.Run(b.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bomb.zst")
			file := b.make(t)
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBombs$", "-test.v")
			cmd.Env = append(os.Environ(), "BUNDLE_BOMB="+path, fmt.Sprint("BUNDLE_SKIP=", b.skip))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var got defused
			_, text, _ := bytes.Cut(out, []byte("DEFUSED "))
			line, _, _ := bytes.Cut(text, []byte("\n"))
			if err := json.Unmarshal(line, &got); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%d bytes, %d KiB more memory, %v: %s", len(file), got.Grown>>10, got.Took, got.Error)
			if got.Kind != b.kind.String() || (got.Error == "") != (b.kind == 0) {
				t.Errorf("it was met with %q (%s), want the kind %s", got.Error, got.Kind, b.kind)
			}
			if got.Grown > mostGrowth {
				t.Errorf("it took %d MiB of memory", got.Grown>>20)
			}
		})
	}
}

// defused is what the process says.
type defused struct {
	Kind  string
	Error string
	Grown int64
	Took  time.Duration
}

// defuse reads the file, and says how it went and by how many bytes the most memory that this process ever had rose.
func defuse(t *testing.T, path string) {
	c := good(t)
	c.SkipSignature = os.Getenv("BUNDLE_SKIP") == "true"
	small := write(t, testConfig(t, testChanges(5)))
	if _, err := Verify(t.Context(), bytes.NewReader(small), c); err != nil {
		t.Fatal(err)
	}
	f, err := OpenAny(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	debug.FreeOSMemory()
	before, start := peak(t), time.Now()
	_, err = Verify(t.Context(), f, c)
	got := defused{Kind: fault.KindOf(err).String(), Grown: peak(t) - before, Took: time.Since(start)}
	if err == nil {
		got.Kind = fault.Kind(0).String()
	} else {
		got.Error = err.Error()
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("DEFUSED %s\n", text)
}

// peak returns the most memory that this process ever had resident, in bytes.
func peak(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var n int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil {
			return n << 10
		}
	}
	t.Fatal(errors.New("there is no VmHWM in /proc/self/status"))
	return 0
}
