package index

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func TestViewsAndTransactionsAreApart(t *testing.T) {
	s := openMem(t)
	write(t, s, func(tx *Tx) { ok(t, tx.PutSite(model.Site{ID: model.SiteID{1}, Name: "b"})) })
	before := s.View()
	defer before.Close()
	tx := s.Begin()
	ok(t, tx.PutSite(model.Site{ID: model.SiteID{2}, Name: "a"}))
	names := func(r *Reader) string {
		sites, err := r.Sites()
		ok(t, err)
		var s []string
		for _, x := range sites {
			s = append(s, x.Name)
		}
		return strings.Join(s, " ")
	}
	during := s.View()
	defer during.Close()
	ok(t, tx.Commit(7, true))
	after := s.View()
	defer after.Close()
	for _, c := range []struct {
		what string
		view *View
		want string
	}{{"before", before, "b"}, {"uncommitted", during, "b"}, {"after", after, "a b"}} {
		if got := names(&c.view.Reader); got != c.want {
			t.Errorf("%s: %q; want %q", c.what, got, c.want)
		}
	}
	if s.Applied() != 7 {
		t.Errorf("applied is %d", s.Applied())
	}
	tx.Discard() // after Commit: nothing
	kind(t, tx.Commit(8, true), fault.Conflict, "ended already")
	if s.Applied() != 7 {
		t.Errorf("applied is %d after a refused commit", s.Applied())
	}
}

// fn may write what it iterates over; the iteration goes on over the rows as they were.
func TestWriteWhileIterating(t *testing.T) {
	s := openMem(t)
	write(t, s, func(tx *Tx) {
		for n := range 200 {
			h := host(n, model.SiteID{1})
			h.PackagesDigest = "d"
			ok(t, tx.PutHost(h))
		}
		n := 0
		ok(t, tx.HostsWithPackages("d", func(h model.Host) error {
			n++
			h.Exposure.High++
			h.PackagesDigest = "e"
			return tx.PutHost(h)
		}))
		ok(t, tx.EachHost(func(h model.Host) error {
			n++
			if h.PackagesDigest != "e" || h.Exposure.High != 1 {
				t.Errorf("host %v was not rewritten", h.ID)
			}
			return tx.DeleteHost(h.ID)
		}))
		if n != 400 {
			t.Errorf("%d calls; want 400", n)
		}
	})
	if r := sound(t, s); r.Rows != 0 {
		t.Fatalf("%d rows are left", r.Rows)
	}
	stop := errors.New("stop")
	write(t, s, func(tx *Tx) {
		ok(t, tx.PutHost(host(1, model.SiteID{1})))
		if err := tx.EachHost(func(model.Host) error { return stop }); err != stop {
			t.Errorf("the error of fn came back as %v", err)
		}
	})
}

func TestWait(t *testing.T) {
	s := openMem(t)
	if s.Version() != 1 {
		t.Fatalf("the counter starts at %d", s.Version())
	}
	if v, err := s.Wait(t.Context(), 0); v != 1 || err != nil {
		t.Fatalf("Wait(0) = %d, %v", v, err)
	}
	got := make(chan uint64)
	for range 3 { // everybody is told, not one
		go func() {
			v, _ := s.Wait(t.Context(), 1)
			got <- v
		}()
	}
	write(t, s, func(*Tx) {})
	for range 3 {
		if v := <-got; v != 2 {
			t.Fatalf("woken with %d", v)
		}
	}
	why := errors.New("going home")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := s.Wait(ctx, 2); err != why {
		t.Fatalf("Wait ended with %v", err)
	}
	failed := make(chan error)
	go func() {
		_, err := s.Wait(t.Context(), 2)
		failed <- err
	}()
	ok(t, s.Close())
	kind(t, <-failed, fault.Conflict, "was closed")
	ok(t, s.Close())
}

func TestCloseWithViews(t *testing.T) {
	disk := NewMemDisk()
	s, err := Open(testDir, Options{Disk: disk})
	ok(t, err)
	v, tx := s.View(), s.Begin()
	kind(t, s.Close(), fault.Conflict, "2 views or transactions")
	_, err = Open(testDir, Options{Disk: disk})
	kind(t, err, fault.Conflict, "is another skerry using this folder?")
	kind(t, tx.Commit(1, true), fault.Conflict, "closed or replaced")
	if _, err := v.Sites(); err != nil {
		t.Fatalf("a view that is still open cannot read: %v", err)
	}
	ok(t, v.Close())
	ok(t, v.Close())
	s, err = Open(testDir, Options{Disk: disk})
	ok(t, err)
	ok(t, s.Close())
}

func TestAuditAndPages(t *testing.T) {
	s := openMem(t)
	write(t, s, func(tx *Tx) {
		for n := 1; n <= 5; n++ {
			ok(t, tx.PutAudit(model.AuditEntry{Seq: model.Seq(n), Action: fmt.Sprint(n)}))
			ok(t, tx.PutImport(model.Imported{BundleHash: fmt.Sprint(n), OriginName: fmt.Sprint("o", n), Created: n, Unsigned: n == 2, Differences: make([]model.Difference, n)}, model.Time(n)))
			ok(t, tx.PutTask(model.Task{Command: model.CommandID{1}, Host: hostID(n)}))
			ok(t, tx.PutTask(model.Task{Command: model.CommandID{2}, Host: hostID(n)}))
			ok(t, tx.MarkDirty(fmt.Sprint(n)))
			ok(t, tx.PutAccount(model.Account{Name: fmt.Sprint(6 - n)}))
			ok(t, tx.PutSigner(model.SignerKey{ID: fmt.Sprint(6 - n)}))
		}
		ok(t, tx.ClearDirty("3"))
		kind(t, tx.PutAudit(model.AuditEntry{Seq: 7}), fault.Conflict, "entry 7 does not follow entry 5")
		kind(t, tx.PutAudit(model.AuditEntry{Seq: 5}), fault.Conflict)
	})
	show := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v; want %v", what, got, want)
		}
	}
	v := s.View()
	defer v.Close()
	audit := func(before model.Seq, limit int) (seqs []model.Seq) {
		list, err := v.Audit(before, limit)
		ok(t, err)
		for _, e := range list {
			seqs = append(seqs, e.Seq)
		}
		return seqs
	}
	show("audit", audit(0, 2), []int{5, 4})
	show("audit before 4", audit(4, 2), []int{3, 2})
	show("audit before 2", audit(2, 0), []int{1})
	imports, err := v.Imports(2)
	ok(t, err)
	show("imports", []any{len(imports), imports[0].BundleHash, imports[0].At, imports[1].BundleHash}, []any{2, "5", model.Time(5), "4"})
	var heads []string
	ok(t, v.EachImport(func(i model.ImportHead) error {
		heads = append(heads, fmt.Sprint(i.OriginName, " ", i.At, " ", i.Created, " ", i.Unsigned))
		return nil
	}))
	var wanted []string
	for n := 1; n <= 5; n++ {
		wanted = append(wanted, "o"+fmt.Sprint(n, " ", model.Time(n), " ", n, " ", n == 2))
	}
	show("import heads", heads, wanted)
	for limit, want := range map[int]int{0: 5, 3: 3, 9: 5} {
		tasks, err := v.Tasks(model.CommandID{1}, limit)
		ok(t, err)
		show("tasks", len(tasks), want)
	}
	dirty, err := v.DirtyDigests(3)
	ok(t, err)
	show("dirty", dirty, []string{"1", "2", "4"})
	accounts, err := v.Accounts()
	ok(t, err)
	signers, err := v.Signers()
	ok(t, err)
	show("accounts, signers", []any{len(accounts), accounts[0].Name, len(signers), signers[4].ID}, []any{5, "1", 5, "5"})
}

func TestLargeMatch(t *testing.T) {
	s := openMem(t)
	m := model.Match{Digest: "d", Generation: 3, Counts: model.SeverityCounts{High: 5000}}
	for n := range 5000 {
		m.Findings = append(m.Findings, model.Finding{Vulnerability: fmt.Sprintf("CVE-2024-%d", n), Package: "zlib1g", Version: "1:1.2.13", Severity: model.SeverityHigh, Verdict: model.VerdictAffected})
	}
	write(t, s, func(tx *Tx) { ok(t, tx.PutMatch(m)) })
	plain, err := model.Encode(m)
	ok(t, err)
	v := s.View()
	defer v.Close()
	got, found, err := v.Match("d")
	ok(t, err)
	back, err := model.Encode(got)
	ok(t, err)
	if !found || string(back) != string(plain) {
		t.Fatal("the match changed on the way")
	}
	packed, err := s.rows.encode(findings{Digest: m.Digest, Findings: m.Findings}, true)
	ok(t, err)
	if len(packed) > len(plain)/5 {
		t.Errorf("%d bytes are stored as %d", len(plain), len(packed))
	}
	write(t, s, func(tx *Tx) { ok(t, tx.DeleteMatch("d")) })
	if read(t, s, func(v *View) (bool, error) { _, found, err := v.Match("d"); return found, err }) {
		t.Error("the match is still there")
	}
}

// TestHash: the same log gives the same bytes, however it is cut into commits on the way; another does not.
func TestHash(t *testing.T) {
	hash := func(cut int, last byte) string {
		s := openMem(t)
		tx := s.Begin()
		for n := range 50 {
			h := host(n%20, model.SiteID{byte(n % 3)})
			if n == 49 {
				h.Site = model.SiteID{last}
			}
			ok(t, tx.PutHost(h))
			ok(t, tx.PutDirective(model.NodeID{}, model.ItemSigner, fmt.Sprint(n%7), 1))
			if n%cut == 0 {
				ok(t, tx.Commit(uint64(n), false))
				tx = s.Begin()
			}
		}
		ok(t, tx.Commit(50, false))
		sum, err := s.Hash(t.Context())
		ok(t, err)
		return string(sum)
	}
	if hash(3, 1) != hash(17, 1) {
		t.Error("the same log gives different hashes")
	}
	if hash(3, 1) == hash(3, 2) {
		t.Error("different logs give the same hash")
	}
}

// FuzzRow: no stored bytes make the codec panic or expand beyond its bound, and what it reads it writes
// again to something it reads.
func FuzzRow(f *testing.F) {
	c, err := newRowCodec()
	ok(f, err)
	for _, v := range []model.Match{{}, {Digest: "d", Findings: make([]model.Finding, 100)}} {
		for _, compress := range []bool{false, true} {
			b, err := c.encode(v, compress)
			ok(f, err)
			f.Add(b)
		}
	}
	f.Add([]byte{})
	f.Add([]byte{formZstd, 0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, v []byte) {
		var m model.Match
		if err := c.decode(v, &m); err != nil {
			kind(t, err, fault.Corrupt)
			return
		}
		b, err := c.encode(m, true)
		ok(t, err)
		ok(t, c.decode(b, &m))
	})
}
