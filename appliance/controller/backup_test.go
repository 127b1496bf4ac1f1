package controller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/audit"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/enroll"
)

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// A backup is made while the group is written to, and what is made of it goes on where it was.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	h.propose(account("before"))
	if err := os.MkdirAll(filepath.Join(h.data, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signer.pem", ".new-1"} {
		if err := os.WriteFile(filepath.Join(h.data, "keys", name), []byte("key "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.propose(model.Invite{Stamp: now(), Member: model.Member{ID: model.NodeID{9}, Kind: model.MemberController, Name: "pending", TokenHash: "x", TokenExpires: now().At + 1e7}})
	ctx, stop := context.WithCancel(t.Context())
	wrote := make(chan int, 1)
	begun := make(chan struct{})
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := h.Propose(ctx, account(fmt.Sprint("during", n))); err != nil && ctx.Err() == nil {
				t.Error(err)
				break
			}
			if n == 20 {
				close(begun)
			}
		}
		wrote <- n
	}()
	<-begun
	path := h.backup()
	stop()
	if n := <-wrote; n < 21 {
		t.Fatalf("%d writes", n)
	}
	if left, err := os.ReadDir(filepath.Join(h.data, "raft", "scratch")); err != nil || len(left) != 0 {
		t.Errorf("the backup left %v, %v", left, err)
	}
	h.propose(account("after"))
	info, err := VerifyBackup(t.Context(), path, h.data)
	if err != nil || info.Group != h.me.Upper || info.Name != "hq" || info.Node != "one" || info.CAPin != h.ca.Pin() || info.Epoch != 1 ||
		info.Applied == 0 || info.Files < 6 || info.Bytes == 0 || !slices.Equal(info.Nodes, []BackupNode{{"one", "127.0.0.1:8443"}}) {
		t.Fatalf("%+v, %v", info, err)
	}
	h.end()

	data := filepath.Join(t.TempDir(), "new", "data")
	restored, err := Restore(t.Context(), configOf(data), path)
	if err != nil || restored.Life != 2 || restored.NewNode != "two" {
		t.Fatalf("%+v, %v", restored, err)
	}
	names, err := os.ReadDir(data)
	if err != nil || len(names) != 5 {
		t.Errorf("the data folder has %v, %v", names, err)
	}
	for _, name := range []string{theGroup, theCAKey, theCACert, "keys/signer.pem"} {
		a, err := os.ReadFile(filepath.Join(h.data, name))
		b, e := os.ReadFile(filepath.Join(data, name))
		if err != nil || e != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: %v, %v", name, err, e)
		}
	}
	_, err = Restore(t.Context(), configOf(data), path)
	refused(t, "restored twice", err, fault.Conflict, "index, raft, cluster, pki, keys")

	n := openHome(t, data)
	if n.me.Member == h.me.Member || n.me.Pin() == h.me.Pin() || n.me.CAPin() != h.me.CAPin() || n.me.Upper != h.me.Upper || n.me.Name != "two" || !n.me.Founder() {
		t.Errorf("the node became %+v", n.me.Identity)
	}
	if !n.has("before") || !n.has("during19") || n.has("after") {
		t.Error("the rows are not those of the backup")
	}
	if n.Epoch() != 2 {
		t.Errorf("epoch %d", n.Epoch())
	}
	n.propose(account("since"))
	for id, want := range map[model.NodeID]model.MemberStatus{h.me.Member: model.MemberRemoved, {9}: model.MemberRemoved, n.me.Member: model.MemberEnrolled} {
		if m, ok, err := n.Rows.Member(id); err != nil || !ok || m.Status != want {
			t.Errorf("%s is %s, %v", m.Name, m.Status, err)
		}
	}
	if m, _, _ := n.Rows.Member(n.me.Member); m.Address != "10.0.0.2:8443" || m.Pin != n.me.Pin() {
		t.Errorf("the registry has %+v", m)
	}
	checkAudit(t, n)
	if r, err := n.Rows.Store.Check(t.Context()); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
	n.end()
	n = openHome(t, data)
	if !n.has("before") || !n.has("since") {
		t.Error("the restored controller lost something at a restart")
	}
	// And once more, from a backup of the restored.
	again := n.backup()
	n.end()
	third := filepath.Join(t.TempDir(), "data")
	if i, err := Restore(t.Context(), configOf(third), again); err != nil || i.Epoch != 2 || i.Life != 3 {
		t.Fatalf("%+v, %v", i, err)
	}
	if n := openHome(t, third); !n.has("since") || n.Epoch() != 3 {
		t.Errorf("epoch %d", n.Epoch())
	}
}

// checkAudit verifies the whole record.
func checkAudit(t *testing.T, h *home) {
	t.Helper()
	v := h.Rows.Store.View()
	defer v.Close()
	all, err := v.Audit(0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	var last model.AuditEntry
	restores := 0
	for i := len(all) - 1; i >= 0; i-- {
		if err := audit.Verify(last, all[i]); err != nil {
			t.Fatal(err)
		}
		if last = all[i]; last.Action == "group.restore" {
			restores++
		}
	}
	if restores == 0 {
		t.Error("the record does not say that the group was restored")
	}
}

func TestBackupStopsEarly(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the client has gone")
	cancel(why)
	var b bytes.Buffer
	s := h.source()
	s.Fresh = nil
	if _, err := s.Backup(ctx, &b); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	s.Fresh = func(context.Context) error { return fault.New(fault.ReadOnly, "", "no leader") }
	if _, err := s.Backup(t.Context(), &b); !fault.Is(err, fault.ReadOnly) || b.Len() != 0 {
		t.Errorf("%v, and %d bytes", err, b.Len())
	}
	if left, err := os.ReadDir(filepath.Join(h.data, "raft", "scratch")); err == nil && len(left) != 0 {
		t.Errorf("left %v", left)
	}
	store, err := index.Open(filepath.Join(t.TempDir(), "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s.Store, s.Fresh = store, nil
	_, err = s.Backup(t.Context(), &b)
	refused(t, "no group", err, fault.Conflict, "no group yet")
}

// TestRestoreRefuses: what is refused leaves the data folder as it was.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	path := h.backup()
	h.end()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	half := path + "-half"
	if err := os.WriteFile(half, good[:len(good)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	_, err = Restore(t.Context(), configOf(data), half)
	refused(t, "half of one", err, fault.Corrupt, "damaged")
	site := configOf(data)
	site.Role = model.RoleSite
	_, err = Restore(t.Context(), site, path)
	refused(t, "at a site", err, fault.Invalid, "of a controller")
	if names, err := os.ReadDir(data); err != nil || len(names) != 0 {
		t.Errorf("left %v, %v", names, err)
	}
	for _, name := range stores {
		data := filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(filepath.Join(data, name), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err = Restore(t.Context(), configOf(data), path)
		refused(t, "beside "+name, err, fault.Conflict, "move these away")
	}
}

// TestRestoreCutShort: after a crash at any step the data folder is empty for a controller, or whole.
func TestRestoreCutShort(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	h.propose(account("before"))
	path := h.backup()
	h.end()
	for moved := range len(restoredParts) + 1 {
		data := filepath.Join(t.TempDir(), "data")
		if _, err := Restore(t.Context(), configOf(data), path); err != nil {
			t.Fatal(err)
		}
		// Put back what had not been moved out yet, beside what a restore that never became whole left.
		if err := os.MkdirAll(filepath.Join(data, restoreReady), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(data, restorePart+"1", "rows"), 0o700); err != nil {
			t.Fatal(err)
		}
		// What was fetched into the rows of before would not come again.
		sources := filepath.Join(data, "sources")
		if err := errors.Join(os.MkdirAll(sources, 0o700), os.WriteFile(filepath.Join(sources, "sources.json"), []byte("{}"), 0o600)); err != nil {
			t.Fatal(err)
		}
		for i, name := range restoredParts {
			if i < moved || name == "keys" {
				continue
			}
			if err := os.Rename(filepath.Join(data, name), filepath.Join(data, restoreReady, name)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Restore(t.Context(), configOf(data), path); !fault.Is(err, fault.Conflict) {
			t.Errorf("restored over one that is not complete: %v", err)
		}
		if _, err := Join(t.Context(), configOf(data), token(t, h.ca), "https://127.0.0.1:1", "", "test"); !fault.Is(err, fault.Conflict) {
			t.Errorf("joined over one that is not complete: %v", err)
		}
		if done, err := ResumeRestore(data); err != nil || !done {
			t.Fatalf("with %d parts moved: %v, %v", moved, done, err)
		}
		if done, err := ResumeRestore(data); err != nil || done {
			t.Fatalf("again: %v, %v", done, err)
		}
		if _, err := os.Stat(sources); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("with %d parts moved, what was known of the sources stays: %v", moved, err)
		}
		if n := openHome(t, data); !n.has("before") || n.Epoch() != 2 {
			t.Errorf("with %d parts moved it is not whole", moved)
		}
		names, err := os.ReadDir(data)
		if err != nil || slices.ContainsFunc(names, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "restore") }) {
			t.Errorf("left %v, %v", names, err)
		}
	}
	// Something came into being in between: nothing is put over it.
	data := t.TempDir()
	for _, name := range []string{"index", restoreReady + "/index"} {
		if err := os.MkdirAll(filepath.Join(data, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_, err := ResumeRestore(data)
	refused(t, "over another index", err, fault.Conflict, "move it away")
	if done, err := ResumeRestore(filepath.Join(data, "none")); err != nil || done {
		t.Errorf("no folder: %v, %v", done, err)
	}
}

// token is one for a controller of the federation of ca.
func token(t *testing.T, ca *enroll.CA) string {
	t.Helper()
	k, err := enroll.NewToken(bytes.NewReader(bytes.Repeat([]byte{7}, 32)), model.MemberController, model.NodeID{5}, ca.Pin())
	if err != nil {
		t.Fatal(err)
	}
	return k.Encode()
}
