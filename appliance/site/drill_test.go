package site

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/clock"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/sync/agentd"
)

// desk is a site with one agent, whose reports come through the real door into the real stores, and which keeps what
// would go up.
type desk struct {
	testing.TB
	*site
	rows  *store
	door  *agentd.Door
	agent model.Member
	seq   model.Seq
	up    []model.Item
}

func newDesk(t testing.TB) *desk {
	rows := openStore(t, filepath.Join(t.TempDir(), "index"), newID(1), model.RoleSite)
	s := &site{Config: config.Default(model.RoleSite), log: quiet, rows: rows.Rows, clock: clock.Open(clock.Config{Path: filepath.Join(t.TempDir(), "clock.json"), Log: quiet})}
	o := s.detailOptions()
	o.MinFree = -1
	var err error
	if s.detail, err = detail.Open(filepath.Join(t.TempDir(), "detail"), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.detail.Close(); err != nil {
			t.Error(err)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &desk{TB: t, site: s, rows: rows, agent: model.Member{ID: newID(10), Kind: model.MemberHost, Name: "web-1", TokenHash: "t", TokenExpires: stamp().At + 1e6}}
	d.door = agentd.NewDoor(agentd.DoorConfig{Detail: detailBox{s.detail}, Owner: s.owner, Ordered: s.ordered, Now: time.Now, Log: quiet})
	d.propose(model.Invite{Stamp: stamp(), Member: d.agent}, model.Enroll{Stamp: stamp(), Member: d.agent.ID, TokenHash: "t", Pin: "p"})
	return d
}

func (d *desk) propose(changes ...model.Change) {
	d.Helper()
	d.rows.mu.Lock()
	defer d.rows.mu.Unlock()
	tx := d.rows.Begin()
	defer tx.Discard()
	for _, c := range changes {
		up, err := apply.Change(tx, apply.Env{Role: model.RoleSite}, c)
		if err != nil {
			d.Fatal(err)
		}
		d.up = append(d.up, up...)
	}
	if err := tx.Commit(0, true); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) host() model.HostID { return model.HostID(d.agent.ID) }

// report lets the agent say something, under the key of its host unless another is given.
func (d *desk) report(kind model.ItemKind, payload any, key ...string) {
	d.Helper()
	b, err := model.Encode(payload)
	if err != nil {
		d.Fatal(err)
	}
	d.seq++
	key = append(key, d.host().String())
	items, notes, err := d.door.Transform(d.Context(), d.agent, []model.Item{{Seq: d.seq, Kind: kind, Key: key[0], AsOf: stamp().At, Payload: b}})
	if err != nil || len(notes) > 0 {
		d.Fatal(notes, err)
	}
	d.propose(model.Received{Stamp: stamp(), Origin: d.agent.ID, Epoch: 1, Items: items})
}

func (d *desk) ask(route string, params ...string) (any, error) {
	p := map[string]string{model.ParamHost: d.host().String()}
	for i := 0; i+1 < len(params); i += 2 {
		p[params[i]] = params[i+1]
	}
	return drill{d.site}.answer(d.Context(), route, p)
}

func answer[T any](d *desk, route string, params ...string) T {
	d.Helper()
	v, err := d.ask(route, params...)
	if err != nil {
		d.Fatal(err)
	}
	return v.(T)
}

func softwareOf(n int) model.Inventory {
	inv := model.Inventory{OS: model.OS{ID: "debian", Name: "Debian 12", Version: "12"}}
	for i := range 1200 {
		inv.Packages = append(inv.Packages, model.Package{Manager: "dpkg", Name: fmt.Sprintf("secret-package-%04d", i), Version: fmt.Sprint(n)})
	}
	return inv
}

func TestPagesOfPackages(t *testing.T) {
	d := newDesk(t)
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	if p := answer[model.HostPackages](d, model.RouteHostPackages); p.Lacks == "" || len(p.Packages) != 0 || p.Packages == nil {
		t.Errorf("a host that has reported none: %+v", p.Answered)
	}
	d.report(model.ItemPackages, softwareOf(1))
	first := answer[model.HostPackages](d, model.RouteHostPackages)
	if len(first.Packages) != 500 || first.Total != 1200 || first.OS.Version != "12" || first.AsOf.IsZero() || first.At.IsZero() || first.Host != d.host() {
		t.Fatalf("%d packages, %+v", len(first.Packages), first.Answered)
	}
	d.report(model.ItemPackages, softwareOf(2)) // in the middle of reading
	all, cursor := first.Packages, first.Next
	for cursor != "" {
		p := answer[model.HostPackages](d, model.RouteHostPackages, model.ParamCursor, cursor, model.ParamLimit, "300")
		if all, cursor = append(all, p.Packages...), p.Next; len(p.Packages) > 300 || p.Digest != first.Digest {
			t.Fatalf("%d packages of %s", len(p.Packages), p.Digest)
		}
	}
	if len(all) != 1200 || slices.ContainsFunc(all, func(p model.Package) bool { return p.Version != "1" }) || all[1199].Name != "secret-package-1199" {
		t.Errorf("%d packages over all pages", len(all))
	}
	if p := answer[model.HostPackages](d, model.RouteHostPackages, model.ParamCursor, first.Digest+".5000"); len(p.Packages) != 0 || p.Next != "" {
		t.Errorf("behind the end: %d, %q", len(p.Packages), p.Next)
	}
	for _, bad := range [][]string{
		{model.ParamLimit, "0"},
		{model.ParamLimit, "5001"},
		{model.ParamLimit, "x"},
		{model.ParamCursor, "x"},
		{model.ParamCursor, strings.Repeat("0", 64)},
		{model.ParamCursor, strings.Repeat("0", 64) + ".-1"},
		{model.ParamCursor, strings.Repeat("z", 64) + ".1"},
		{model.ParamHost, "x"},
	} {
		if _, err := d.ask(model.RouteHostPackages, bad...); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range [][]string{{model.ParamCursor, strings.Repeat("0", 64) + ".1"}, {model.ParamHost, model.HostID(newID(99)).String()}} {
		if _, err := d.ask(model.RouteHostPackages, bad...); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := d.ask("https://elsewhere/"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a route that is none: %v", err)
	}
}

func TestFactsCertificatesAndHistory(t *testing.T) {
	d := newDesk(t)
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	if f := answer[model.HostFacts](d, model.RouteHostFacts); f.Lacks == "" {
		t.Error("facts that were not reported are not said to lack")
	}
	facts := model.OSFacts{TimeZone: "UTC", Modules: []string{"secret-module"}}
	d.report(model.ItemOSFacts, facts)
	facts.TimeZone, facts.Mounts = "Europe/Oslo", []model.Mount{{Target: "/"}}
	d.report(model.ItemOSFacts, facts)
	if f := answer[model.HostFacts](d, model.RouteHostFacts); f.Facts.TimeZone != "Europe/Oslo" || f.Lacks != "" {
		t.Errorf("%+v", f)
	}
	leaf := model.Certificate{Path: "/etc/secret.pem", Subject: "CN=a", Fingerprint: strings.Repeat("a", 64), IssuedBy: strings.Repeat("b", 64)}
	d.report(model.ItemCertificates, []model.Certificate{leaf})
	renewed := leaf
	renewed.Fingerprint = strings.Repeat("c", 64)
	d.report(model.ItemCertificates, []model.Certificate{renewed})
	if c := answer[model.HostCertificates](d, model.RouteHostCertificates); len(c.Certificates) != 1 || c.Certificates[0].IssuedBy != leaf.IssuedBy || c.Total != 1 {
		t.Errorf("%+v", c)
	}
	old := softwareOf(1)
	d.report(model.ItemPackages, old)
	d.report(model.ItemPackages, old) // the same again is no version
	next := softwareOf(1)
	next.Packages[0].Version = "1.1"
	next.Packages = append(next.Packages[:1199:1199], model.Package{Manager: "dpkg", Name: "new", Version: "9"})
	d.report(model.ItemPackages, next)

	h := answer[model.HostHistory](d, model.RouteHostHistory, model.ParamKind, "packages")
	if len(h.Versions) != 2 || !h.Versions[0].Current || h.Versions[0].N != 2 || h.Versions[1].Added != nil {
		t.Fatalf("%+v", h.Versions)
	}
	if v := h.Versions[0]; *v.Added != 1 || *v.Removed != 1 || *v.Changed != 1 {
		t.Errorf("added %d, removed %d, changed %d", *v.Added, *v.Removed, *v.Changed)
	}
	page := answer[model.HostHistory](d, model.RouteHostHistory, model.ParamKind, "packages", model.ParamLimit, "1")
	if len(page.Versions) != 1 || page.Next != "2" {
		t.Errorf("a page of one: %+v", page)
	}
	page = answer[model.HostHistory](d, model.RouteHostHistory, model.ParamKind, "packages", model.ParamLimit, "1", model.ParamCursor, page.Next)
	if len(page.Versions) != 1 || page.Next != "" || page.Versions[0].N != 1 || page.Versions[0].Current {
		t.Errorf("its next: %+v", page)
	}
	diff := answer[model.HostDiff](d, model.RouteHostHistory, model.ParamKind, "packages", model.ParamFrom, "1", model.ParamTo, "2")
	if p := diff.Packages; p == nil || len(p.Added) != 1 || p.Added[0].Name != "new" || len(p.Changed) != 1 || p.Changed[0].To != "1.1" || p.Changed[0].Change != model.PackageUpgraded || len(p.Removed) != 1 {
		t.Errorf("%+v", diff)
	}
	back := answer[model.HostDiff](d, model.RouteHostHistory, model.ParamKind, "packages", model.ParamFrom, "2", model.ParamTo, "1")
	if back.Packages.Removed[0].Name != "new" || back.From.N != 2 || back.Packages.Changed[0].Change != model.PackageDowngraded {
		t.Errorf("%+v", back)
	}
	if c := answer[model.HostDiff](d, model.RouteHostHistory, model.ParamKind, "certificates", model.ParamFrom, "1", model.ParamTo, "2"); len(c.Certificates.Changed) != 1 {
		t.Errorf("%+v", c.Certificates)
	}
	if f := answer[model.HostDiff](d, model.RouteHostHistory, model.ParamKind, "facts", model.ParamFrom, "1", model.ParamTo, "2"); !slices.Equal(f.Sections, []string{"mounts", "time_zone"}) {
		t.Errorf("%q", f.Sections)
	}
	for _, bad := range [][]string{{}, {model.ParamKind, "x"}, {model.ParamKind, "facts", model.ParamFrom, "1"}, {model.ParamKind, "facts", model.ParamFrom, "x", model.ParamTo, "1"}, {model.ParamKind, "facts", model.ParamCursor, "0"}} {
		if _, err := d.ask(model.RouteHostHistory, bad...); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := d.ask(model.RouteHostHistory, model.ParamKind, "facts", model.ParamFrom, "1", model.ParamTo, "9"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a version that is none: %v", err)
	}
	d.nothingRose()
}

// nothingRose looks for bodies in everything that went up.
func (d *desk) nothingRose() {
	d.Helper()
	if len(d.up) == 0 {
		d.Fatal("nothing went up at all")
	}
	for _, it := range d.up {
		b, err := model.Encode(it)
		if err != nil {
			d.Fatal(err)
		}
		if it.Host != nil {
			row, err := model.Encode(it.Host)
			if err != nil {
				d.Fatal(err)
			}
			b = append(b, row...)
		}
		if bytes.Contains(b, []byte("secret")) || len(b) > 8<<10 {
			d.Errorf("%s %s rose with what stays at the site: %d bytes, %.300s", it.Kind, it.Key, len(b), b)
		}
	}
}

// Everything that an agent can say about itself is said, and of all that goes up none holds a body.
func TestBodiesNeverRise(t *testing.T) {
	d := newDesk(t)
	upper := model.NodeID(newID(2))
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	d.report(model.ItemPackages, softwareOf(1))
	d.report(model.ItemCertificates, []model.Certificate{{Path: "/etc/secret.pem", Fingerprint: strings.Repeat("a", 64)}})
	d.report(model.ItemOSFacts, model.OSFacts{Users: []model.User{{Name: "secret-user"}}})
	cmd := model.Command{ID: newID(77), Kind: model.CommandPing, Site: newID(1), ExpiresAt: stamp().At + 1e9, CreatedAt: stamp().At}
	order, err := model.Encode(model.Order{Command: cmd, Hosts: []model.HostID{d.host()}})
	if err != nil {
		t.Fatal(err)
	}
	d.propose(model.Received{Stamp: stamp(), Origin: upper, Epoch: 1, Items: []model.Item{{Seq: 1, Kind: model.ItemOrder, Key: cmd.ID.String(), Payload: order}}})
	shown := strings.Repeat("x", 4000)
	whole := shown + strings.Repeat("secret é ", 30_000)
	key := cmd.ID.String() + "/" + d.host().String()
	d.report(model.ItemOutput, model.Output{Command: cmd.ID, Host: d.host(), Text: whole, Size: int64(len(whole)) + 5}, key)
	for _, s := range []model.CommandState{model.CommandDelivered, model.CommandRunning, model.CommandSucceeded} {
		m := model.Move{Command: cmd.ID, Host: d.host(), State: s, At: stamp().At}
		if s == model.CommandSucceeded {
			m.Output, m.OutputSize = shown, int64(len(whole))+5
		}
		d.report(model.ItemMove, m, key+"/"+string(s))
	}
	d.propose(model.Resync{Stamp: stamp()}) // and all of it again
	d.nothingRose()

	var got strings.Builder
	cursor := ""
	for {
		o := answer[model.HostOutput](d, model.RouteHostOutput, model.ParamCommand, cmd.ID.String(), model.ParamLimit, "100001", model.ParamCursor, cursor)
		if o.Size != int64(len(whole))+5 || o.Total != len(whole) || o.Offset != got.Len() || len(o.Text) > 100_001 {
			t.Fatalf("%d bytes at %d of %d, %d were printed", len(o.Text), o.Offset, o.Total, o.Size)
		}
		got.WriteString(o.Text)
		if cursor = o.Next; cursor == "" {
			break
		}
	}
	if got.String() != whole {
		t.Errorf("%d bytes over all pages, want %d", got.Len(), len(whole))
	}
	for _, bad := range []struct {
		kind   fault.Kind
		params []string
	}{
		{fault.Invalid, nil},
		{fault.Invalid, []string{model.ParamCommand, "x"}},
		{fault.NotFound, []string{model.ParamCommand, model.CommandID(newID(78)).String()}},
		{fault.Invalid, []string{model.ParamCommand, cmd.ID.String(), model.ParamLimit, "1048577"}},
	} {
		if _, err := d.ask(model.RouteHostOutput, bad.params...); !fault.Is(err, bad.kind) {
			t.Errorf("%q: %v", bad.params, err)
		}
	}
}

// A short output is in the row of its task, and answered from there.
func TestShortOutput(t *testing.T) {
	d := newDesk(t)
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	cmd := model.Command{ID: newID(77), Kind: model.CommandPing, Site: newID(1), ExpiresAt: stamp().At + 1e9}
	d.propose(model.Dispatch{Stamp: stamp(), Command: cmd, Hosts: []model.HostID{d.host()}})
	for _, s := range []model.CommandState{model.CommandDelivered, model.CommandRunning, model.CommandSucceeded} {
		m := model.Move{Command: cmd.ID, Host: d.host(), State: s, At: stamp().At}
		if s == model.CommandSucceeded {
			m.Output = "ääh"
		}
		d.report(model.ItemMove, m, string(s))
	}
	if o := answer[model.HostOutput](d, model.RouteHostOutput, model.ParamCommand, cmd.ID.String()); o.Text != "ääh" || o.Size != 5 || o.Next != "" || o.Lacks != "" {
		t.Errorf("%+v", o)
	}
	text, cursor := "", ""
	for range 5 { // a limit that falls into characters
		o := answer[model.HostOutput](d, model.RouteHostOutput, model.ParamCommand, cmd.ID.String(), model.ParamLimit, "1", model.ParamCursor, cursor)
		text += o.Text
		if cursor = o.Next; cursor == "" {
			break
		}
	}
	if text != "ääh" {
		t.Errorf("in pieces: %q", text)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.detail.RunGC(ended); err != nil {
		t.Error(err)
	}
}

// Which way a package went is told by the order of its ecosystem, or of its manager; by no order it is only another version.
func TestDirection(t *testing.T) {
	for _, c := range []struct {
		manager, ecosystem, from, to string
		want                         model.VersionChange
	}{
		{"dpkg", "", "1.10-1", "1.9-1", model.PackageDowngraded},
		{"dpkg", "", "1:1.0", "2.0", model.PackageDowngraded},
		{"dpkg", "", "1.0~rc1", "1.0", model.PackageUpgraded},
		{"dpkg", "", "1.0", "1.0", model.PackageChanged},
		{"rpm", "", "1.0-9.el9", "1.0-10.el9", model.PackageUpgraded},
		{"apk", "", "1.0_rc1-r0", "1.0-r0", model.PackageUpgraded},
		{"apk", "", "1.0-r0", "not a version", model.PackageChanged},
		{"npm", "npm", "1.9.0", "1.10.0", model.PackageUpgraded},
		{"pip", "PyPI", "2.0.post1", "2.0", model.PackageDowngraded},
		{"pip", "", "1.0", "2.0", model.PackageChanged},
		{"other", "Nowhere", "1", "2", model.PackageChanged},
	} {
		p := &model.PackageChange{Manager: c.manager, Name: "x", Ecosystem: c.ecosystem, From: c.from, To: c.to}
		if got := direction(model.OS{ID: "debian", Version: "12"}, p); got != c.want {
			t.Errorf("%s %s %q -> %q: %s, want %s", c.manager, c.ecosystem, c.from, c.to, got, c.want)
		}
	}
}
