package controller

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write the data folder of this version where it is missing; existing ones are never changed")

// folders are data folders as versions of Skerry left them: a tar of each, under zstd. A version that changes anything
// of what is on the disk adds one, and every one opens for ever. Their keys are of tests.
const (
	folders    = "testdata/folder-*.tar.zst"
	thisFolder = "testdata/folder-1.tar.zst"
)

// TestFolders opens what every version so far left, and goes on with it.
func TestFolders(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(thisFolder); errors.Is(err, fs.ErrNotExist) {
		if !*rewrite {
			t.Fatalf("%s is missing: run go test ./appliance/controller -run TestFolders -rewrite", thisFolder)
		}
		writeFolder(t)
	}
	all, err := filepath.Glob(folders)
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	for _, path := range all {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			extract(t, path, data)
			h := openHome(t, data)
			checkFolder(t, h)
			h.propose(account("later"))
			if err := h.TakeSnapshot(t.Context()); err != nil {
				t.Error(err)
			}
			path := h.backup()
			h.end()
			h = openHome(t, data)
			checkFolder(t, h)
			if !h.has("later") {
				t.Error("what was added is gone after a restart")
			}
			h.end()
			// What a backup of it makes is as good.
			restored := filepath.Join(t.TempDir(), "data")
			if _, err := Restore(t.Context(), configOf(restored), path); err != nil {
				t.Fatal(err)
			}
			if h := openHome(t, restored); !h.has("later") {
				t.Error("the restored rows lack what was added")
			} else {
				checkFolder(t, h)
			}
		})
	}
}

var (
	folderSite    = model.NodeID{0x51}
	folderRequest = model.RequestID{1, 2, 3}
)

// fillFolder proposes something of each sort, with a snapshot in the middle.
func fillFolder(t *testing.T, h *home) {
	h.propose(model.Invite{Stamp: now(), Member: model.Member{ID: folderSite, Kind: model.MemberSite, Name: "oslo", TokenHash: "h", TokenExpires: now().At + 1e9}, Site: &model.Site{ID: model.SiteID(folderSite), Name: "oslo"}})
	h.propose(model.Enroll{Stamp: now(), Member: folderSite, TokenHash: "h", Pin: "pin-oslo"})
	items := func(from, to int) {
		c := model.Received{Stamp: now(), Origin: folderSite, Epoch: 1}
		for n := from; n < to; n++ {
			raw, err := model.Encode(model.Host{ID: hostID(n), Site: model.SiteID(folderSite), Agent: gateway, Facts: model.Facts{Hostname: fmt.Sprint("host", n)}, Status: model.HostUp, FirstSeen: now().At, LastSeen: now().At})
			if err != nil {
				t.Fatal(err)
			}
			c.Items = append(c.Items, model.Item{Seq: model.Seq(n + 1), Kind: model.ItemHost, Key: hostID(n).String(), AsOf: now().At, Payload: raw})
		}
		h.propose(c)
	}
	items(0, 20)
	h.advise("A", "one")
	h.propose(account("ann"), model.PutSecret{Stamp: now(), Secret: model.Secret{Name: "signing/hq", Sealed: []byte("sealed")}})
	if err := h.TakeSnapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	items(20, 40)
	h.dispatch(commandID(1), 3, folderSite)
	if err := h.Propose(model.WithRequest(t.Context(), folderRequest), account("bob")); err != nil {
		t.Fatal(err)
	}
	h.propose(model.PutSearch{Stamp: now(), Search: model.SavedSearch{Name: "all", Query: "status:up"}})
}

func checkFolder(t *testing.T, h *home) {
	t.Helper()
	v := h.Rows.Store.View()
	defer v.Close()
	n := 0
	err := v.EachHost(func(x model.Host) error {
		if x.Facts.Hostname != fmt.Sprint("host", n) || x.Site != model.SiteID(folderSite) {
			t.Errorf("host %d is %+v", n, x)
		}
		n++
		return nil
	})
	counts, _, e := v.Counts(model.SiteID(folderSite))
	at, e2 := v.Watermark(folderSite)
	c, known, e3 := v.Command(commandID(1))
	s, sealed, e4 := v.Secret("signing/hq")
	o, asked, e5 := v.Request(folderRequest)
	_, saved, e6 := v.Search("all")
	a, advised, e7 := v.Advisory(model.AdvisoryKey{Source: "osv", ID: "A"})
	if err := errors.Join(err, e, e2, e3, e4, e5, e6, e7); err != nil {
		t.Fatal(err)
	}
	if n != 40 || counts.Hosts != 40 || at != (model.Position{Epoch: 1, Seq: 40}) || !known || c.State != model.CommandQueued || !sealed || string(s.Sealed) != "sealed" ||
		!asked || o.Refused || !saved || !advised || a.Summary != "one" || !h.has("ann") || !h.has("bob") {
		t.Errorf("%d hosts, counts %+v, at %+v, command %v %+v, secret %v, request %v %+v, search %v, advisory %v", n, counts, at, known, c, sealed, asked, o, saved, advised)
	}
	if r, err := h.Rows.Store.Check(t.Context()); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
	if err := h.Propose(model.WithRequest(t.Context(), folderRequest), account("never")); err != nil || h.has("never") {
		t.Errorf("a request of before was carried out again: %v", err)
	}
}

// writeFolder makes thisFolder.
func writeFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	h := openHome(t, data)
	fillFolder(t, h)
	// As a power cut leaves it: what came behind the snapshot is in the log alone.
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "LOCK" || d.Name() == "lock" {
			return err
		}
		name, err := filepath.Rel(data, path)
		if err != nil || name == "." {
			return err
		}
		if d.IsDir() {
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: filepath.ToSlash(name) + "/", Mode: 0o700})
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(name), Size: int64(len(body)), Mode: 0o600}); err != nil {
			return err
		}
		_, err = w.Write(body)
		return err
	})
	if err := errors.Join(err, w.Close(), z.Close(), os.MkdirAll("testdata", 0o755)); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 300<<10 {
		t.Fatalf("it has %d bytes, which is too much to keep", b.Len())
	}
	if err := os.WriteFile(thisFolder, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// extract unpacks a folder. Runs of zeros become holes, of which a log that was made in advance has many.
func extract(t *testing.T, path, data string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	zeros := make([]byte, 64<<10)
	for r := tar.NewReader(z); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(data, filepath.FromSlash(e.Name))
		if !strings.HasPrefix(to, data) {
			t.Fatalf("%s", e.Name)
		}
		if e.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(to, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		err = out.Truncate(e.Size)
		for at, block := int64(0), make([]byte, len(zeros)); err == nil && at < e.Size; {
			n, e := io.ReadFull(r, block)
			if n == 0 {
				err = e
				break
			}
			if !bytes.Equal(block[:n], zeros[:n]) {
				_, err = out.WriteAt(block[:n], at)
			}
			at += int64(n)
		}
		if err := errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
