package agentd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var (
	hostA   = model.HostID{0xa, 1}
	hostB   = model.HostID{0xb, 2}
	hostC   = model.HostID{0xc, 3}
	agentA  = model.Member{ID: model.NodeID(hostA), Kind: model.MemberHost, Name: "a"}
	gateway = model.Member{ID: model.NodeID{0x9}, Kind: model.MemberGateway, Name: "gw"}
	quiet   = slog.New(slog.DiscardHandler)
)

// shelf is a detail tier in memory.
type shelf struct {
	bodies map[string][]byte
	err    error
}

func (s *shelf) PutAll(bodies []Body) ([]string, error) {
	if s.err != nil {
		return nil, s.err
	}
	var digests []string
	for _, b := range bodies {
		s.bodies[b.Host.String()+"/"+string(b.Kind)] = b.Bytes
		sum := sha256.Sum256(b.Bytes)
		digests = append(digests, hex.EncodeToString(sum[:]))
	}
	return digests, nil
}

func newDoor(owners map[model.HostID]model.NodeID) (*Door, *shelf) {
	s := &shelf{bodies: map[string][]byte{}}
	return NewDoor(DoorConfig{
		Detail: s, Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }, Log: quiet,
		Owner:   func(h model.HostID) (model.NodeID, bool, error) { o, ok := owners[h]; return o, ok, nil },
		Ordered: func(c model.CommandID, h model.HostID) (bool, error) { return c == order && h != hostC, nil },
	}), s
}

var order = model.CommandID{0xc}

// output is an item with the output of the one command that was sent, under the key of a host.
func output(key, of model.HostID, o model.Output) model.Item {
	o.Command, o.Host = order, of
	it := item(1, model.ItemOutput, key, o)
	it.Key = order.String() + "/" + key.String()
	return it
}

func TestOutputAndFactsBecomeReferences(t *testing.T) {
	door, s := newDoor(nil)
	facts := model.OSFacts{TimeZone: "UTC", Modules: []string{"ext4"}}
	out, notes, err := door.Transform(t.Context(), agentA, []model.Item{
		output(hostA, hostA, model.Output{Text: "all of it", Size: 9}), item(2, model.ItemOSFacts, hostA, facts),
	})
	if err != nil || notes != nil {
		t.Fatal(err, notes)
	}
	var o model.OutputRef
	sum := sha256.Sum256([]byte("all of it"))
	want := model.OutputRef{Command: order, Host: hostA, Digest: hex.EncodeToString(sum[:]), Size: 9}
	if err := model.Decode(out[0].Payload, &o); err != nil || o != want {
		t.Errorf("%+v, %v", o, err)
	}
	var f model.OSFactsRef
	if err := model.Decode(out[1].Payload, &f); err != nil || len(f.Digest) != 64 {
		t.Errorf("%+v, %v", f, err)
	}
	if got := s.bodies[hostA.String()+"/os_facts"]; string(got) != `{"modules":["ext4"],"time_zone":"UTC"}` {
		t.Errorf("stored %s", got)
	}
	for _, it := range out {
		if strings.Contains(string(it.Payload), "all of it") || strings.Contains(string(it.Payload), "ext4") {
			t.Errorf("a body is left in %s", it.Payload)
		}
	}
}

// One that sends rubbish all day is counted each time, and only some of it is kept.
func TestEvidenceIsRationed(t *testing.T) {
	door, _ := newDoor(nil)
	now := time.Unix(1_700_000_000, 0)
	door.c.Now = func() time.Time { return now }
	kept := 0
	send := func(n int) {
		for range n {
			_, notes, err := door.Transform(t.Context(), agentA, []model.Item{item(1, model.ItemFacts, hostA, "[]")})
			if err != nil || len(notes) != 1 {
				t.Fatal(notes, err)
			}
			if notes[0].(model.Note).Detail["body"] != "" {
				kept++
			}
		}
	}
	if send(3 * keepMost); kept != keepMost {
		t.Errorf("%d were kept, want %d", kept, keepMost)
	}
	now = now.Add(keepEvery)
	if send(keepMost + 1); kept != 2*keepMost {
		t.Errorf("%d were kept after an hour, want %d", kept, 2*keepMost)
	}
	if n := door.Refused()[RefusedMalformed]; n != 4*keepMost+1 {
		t.Errorf("%d were counted", n)
	}
}

func item(seq model.Seq, kind model.ItemKind, host model.HostID, payload any) model.Item {
	raw, ok := payload.(string)
	if !ok {
		b, err := model.Encode(payload)
		if err != nil {
			panic(err)
		}
		raw = string(b)
	}
	return model.Item{Seq: seq, Kind: kind, Key: host.String(), AsOf: 5, Payload: []byte(raw)}
}

func pkg(name, version string) model.Package {
	return model.Package{Manager: "dpkg", Name: name, Version: version, Arch: "amd64", Source: name}
}

func TestTheSameSoftwareHasTheSameDigest(t *testing.T) {
	door, s := newDoor(nil)
	one := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{pkg("zlib", "1"), pkg("bash", "5.2"), pkg("bash", "5.1"), pkg("bash", "5.2")}}
	two := one
	two.Packages = slices.Clone(one.Packages)
	slices.Reverse(two.Packages)
	other := two
	other.OS.Version = "13"
	out, notes, err := door.Transform(t.Context(), gateway, []model.Item{
		item(1, model.ItemPackages, hostA, one), item(2, model.ItemPackages, hostB, two), item(3, model.ItemPackages, hostB, other),
	})
	if err != nil || notes != nil {
		t.Fatal(err, notes)
	}
	var refs [3]model.InventoryRef
	for i := range refs {
		if err := model.Decode(out[i].Payload, &refs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if refs[0] != refs[1] || refs[0].PackageN != 3 || len(refs[0].Digest) != 64 || refs[2].Digest == refs[0].Digest {
		t.Errorf("references %+v", refs)
	}
	want := `{"os":{"id":"debian","version":"12"},"packages":[` +
		`{"manager":"dpkg","name":"bash","version":"5.1","arch":"amd64","source":"bash"},` +
		`{"manager":"dpkg","name":"bash","version":"5.2","arch":"amd64","source":"bash"},` +
		`{"manager":"dpkg","name":"zlib","version":"1","arch":"amd64","source":"zlib"}]}`
	if got := string(s.bodies[hostA.String()+"/packages"]); got != want {
		t.Errorf("stored %s", got)
	}
	if out[1].Seq != 2 || out[1].AsOf != 5 || out[1].Key != hostB.String() {
		t.Errorf("the item became %+v", out[1])
	}
}

func TestCertificates(t *testing.T) {
	door, s := newDoor(nil)
	print := strings.Repeat("ab", 32)
	list := []model.Certificate{
		{Path: "/etc/z.pem", NotAfter: 900, Fingerprint: print},
		{Path: "/etc/ca.pem", NotAfter: 100, Fingerprint: print, CA: true},
		{Path: "/etc/a.pem", NotAfter: 500, Fingerprint: print, Subject: "CN=odd\x1b[31m", Names: []string{"a\nb"}},
	}
	out, notes, err := door.Transform(t.Context(), agentA, []model.Item{item(1, model.ItemCertificates, hostA, list)})
	if err != nil || notes != nil {
		t.Fatal(err, notes)
	}
	var ref model.CertificatesRef
	if err := model.Decode(out[0].Payload, &ref); err != nil || ref.CertificateN != 3 || ref.NextExpiry != 500 {
		t.Errorf("reference %+v, %v", ref, err)
	}
	var stored []model.Certificate
	if err := model.Decode(s.bodies[hostA.String()+"/certificates"], &stored); err != nil {
		t.Fatal(err)
	}
	if stored[0].Path != "/etc/a.pem" || stored[0].Subject != "CN=odd?[31m" || stored[0].Names[0] != "a?b" {
		t.Errorf("stored first: %+v", stored[0])
	}
}

type refusal struct {
	name string
	m    model.Member
	it   model.Item
	text string
}

// reason is what the refusal is counted by, as its text says.
func (r refusal) reason() string {
	for _, part := range []string{"bound is", "limit is", "are more than", "addresses"} {
		if strings.Contains(r.text, part) || r.name == "too many certificates" || r.name == "long version" {
			return RefusedTooLarge
		}
	}
	for _, part := range []string{"agent \"a\" of host", "may not report", "is reported by", "was not sent"} {
		if strings.Contains(r.text, part) {
			return RefusedForeign
		}
	}
	return RefusedMalformed
}

func TestRefusedItemsKeepTheirPlace(t *testing.T) {
	long := strings.Repeat("x", 300)
	tooMany := model.Inventory{Packages: make([]model.Package, MaxPackages+1)}
	owned := map[model.HostID]model.NodeID{hostB: {0x77}}
	cases := []refusal{
		{"foreign host", agentA, item(1, model.ItemPackages, hostB, model.Inventory{}), `agent "a" of host`},
		{"foreign facts", agentA, item(1, model.ItemFacts, hostB, model.Facts{Hostname: "h"}), "may not report"},
		{"host of another gateway", gateway, item(1, model.ItemCertificates, hostB, []model.Certificate{}), "is reported by agent"},
		{"no host", agentA, model.Item{Seq: 1, Kind: model.ItemPackages, Key: "x", Payload: []byte("{}")}, "is not an id"},
		{"no JSON", agentA, item(1, model.ItemPackages, hostA, "[]"), "it is not a package list"},
		{"no payload", agentA, model.Item{Seq: 1, Kind: model.ItemCertificates, Key: hostA.String()}, "it is not a list of certificates"},
		{"too many packages", agentA, item(1, model.ItemPackages, hostA, tooMany), "20001 packages; the bound is 20000"},
		{"nameless package", agentA, item(1, model.ItemPackages, hostA, model.Inventory{Packages: []model.Package{{Manager: "dpkg", Version: "1"}}}), "lacks its manager"},
		{"long version", agentA, item(1, model.ItemPackages, hostA, model.Inventory{Packages: []model.Package{pkg("bash", long)}}), "the version"},
		{"control characters", agentA, item(1, model.ItemPackages, hostA, model.Inventory{Packages: []model.Package{pkg("ba\x00sh", "1")}}), "control characters"},
		{"too many certificates", agentA, item(1, model.ItemCertificates, hostA, make([]model.Certificate, MaxCertificates+1)), "5001 certificates"},
		{"bad fingerprint", agentA, item(1, model.ItemCertificates, hostA, []model.Certificate{{Path: "/p", Fingerprint: "zz"}}), "fingerprint"},
		{"facts without a name", agentA, item(1, model.ItemFacts, hostA, model.Facts{}), "no host name"},
		{"too many addresses", agentA, item(1, model.ItemFacts, hostA, model.Facts{Hostname: "h", IPv4: make([]string, 17)}), "17 IPv4 addresses"},
		{"a host name of a megabyte", agentA, item(1, model.ItemFacts, hostA, model.Facts{Hostname: strings.Repeat("x", 1<<20)}), "has 1048576 bytes; the limit is 255"},
		{"no address", agentA, item(1, model.ItemFacts, hostA, model.Facts{Hostname: "h", IPv6: []string{"10.0.0.1"}}), "is no IPv6 address"},
		{"invalid UTF-8", agentA, item(1, model.ItemFacts, hostA, "{\"hostname\":\"\xff\"}"), "it is not facts"},
		{"too many modules", agentA, item(1, model.ItemOSFacts, hostA, model.OSFacts{Modules: make([]string, 1025)}), "1025 modules are more than 1024"},
		{"a mount of control characters", agentA, item(1, model.ItemOSFacts, hostA, model.OSFacts{Mounts: []model.Mount{{Target: "/\x1b"}}}), "control characters"},
		{"a port that is none", agentA, item(1, model.ItemOSFacts, hostA, model.OSFacts{Listeners: []model.Listener{{Port: 65536}}}), "as a port"},
		{"facts of another system", agentA, item(1, model.ItemOSFacts, hostB, model.OSFacts{}), "may not report"},
		{"no facts", agentA, item(1, model.ItemOSFacts, hostA, `[1]`), "it is not facts of a system"},
		{"too much output", agentA, output(hostA, hostA, model.Output{Text: strings.Repeat("x", model.MaxOutput+1)}), "the bound is 1048576"},
		{"output of another host", agentA, output(hostB, hostB, model.Output{Text: "x"}), "may not report"},
		{"output under another key", agentA, output(hostB, hostA, model.Output{Text: "x"}), "its key says"},
		{"output of less than nothing", agentA, output(hostA, hostA, model.Output{Size: -1}), "-1 bytes were printed"},
		{"output of no command", agentA, item(1, model.ItemOutput, hostA, model.Output{Host: hostA}), "its key says"},
		{"output that was not asked for", gateway, output(hostC, hostC, model.Output{Text: "x"}), "was not sent to host"},
		{"escape in a host name", agentA, item(1, model.ItemFacts, hostA, model.Facts{Hostname: "h\x1b[2J"}), "control characters"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			door, s := newDoor(owned)
			good := item(2, model.ItemFacts, hostA, model.Facts{Hostname: "h"})
			if c.m.Kind == model.MemberGateway {
				good.Key = hostA.String()
			}
			out, notes, err := door.Transform(t.Context(), c.m, []model.Item{c.it, good})
			if err != nil {
				t.Fatal(err)
			}
			if len(out) != 2 || out[0].Seq != 1 || out[0].Payload != nil || out[0].Kind != c.it.Kind || string(out[1].Payload) != string(good.Payload) {
				t.Errorf("items became %+v", out)
			}
			if len(notes) != 1 {
				t.Fatalf("%d notes", len(notes))
			}
			n := notes[0].(model.Note)
			if !strings.Contains(n.Reason, c.text) || n.OK || n.Actor != "agent:"+c.m.ID.String() || n.Detail["refused"] != "1" {
				t.Errorf("note %+v; want %q", n, c.text)
			}
			kept := c.it.Payload[:min(len(c.it.Payload), maxEvidence)]
			evidence, ok := s.bodies[model.HostID(c.m.ID).String()+"/refused"]
			if string(evidence) != string(kept) || ok != (len(kept) > 0) || len(s.bodies) > 1 || ok != (n.Detail["body"] != "") {
				t.Errorf("of %d bytes %d were kept, with %d bodies; the note has %q", len(c.it.Payload), len(evidence), len(s.bodies), n.Detail)
			}
			if r := door.Refused(); r[c.reason()] != 1 || len(r) != len(RefusalReasons) {
				t.Errorf("counted %v, want one %s", r, c.reason())
			}
		})
	}
}

func TestASickSiteIsNotTheItemsFault(t *testing.T) {
	door, s := newDoor(nil)
	s.err = fault.New(fault.TooLarge, "", "disk full") // whatever kind the store gives
	_, _, err := door.Transform(t.Context(), agentA, []model.Item{item(1, model.ItemPackages, hostA, model.Inventory{})})
	if !fault.Is(err, fault.ReadOnly) {
		t.Errorf("detail tier: %v", err)
	}
	door, _ = newDoor(nil)
	door.c.Owner = func(model.HostID) (model.NodeID, bool, error) { return model.NodeID{}, false, errors.New("bad block") }
	_, _, err = door.Transform(t.Context(), gateway, []model.Item{item(1, model.ItemPackages, hostA, model.Inventory{})})
	if !fault.Is(err, fault.ReadOnly) {
		t.Errorf("rows: %v", err)
	}
}

func TestOtherItemsPass(t *testing.T) {
	door, _ := newDoor(nil)
	in := []model.Item{{Seq: 1, Kind: model.ItemMove, Key: "c/h/s", Payload: []byte(`{"state":"running"}`)}, {Seq: 4, Kind: "future", Key: "k"}}
	out, notes, err := door.Transform(t.Context(), agentA, in)
	if err != nil || notes != nil || fmt.Sprint(out) != fmt.Sprint(in) {
		t.Errorf("became %v, %v, %v", out, notes, err)
	}
}

func FuzzReports(f *testing.F) {
	f.Add([]byte(`{"hostname":"h","ipv4":["10.0.0.1"],"os":{"id":"debian"},"booted_at":"2025-01-15T10:30:00.000Z","tags":["a"]}`))
	f.Add([]byte(`{"os":{"id":"debian","version":"12"},"packages":[{"manager":"dpkg","name":"bash","version":"5.2-1+b1","source":"bash"}]}`))
	f.Add([]byte(`[{"path":"/etc/a.pem","subject":"CN=a","issuer":"CN=b","serial":"01","not_before":"","not_after":"2025-01-15T10:30:00.000Z","fingerprint":"` + strings.Repeat("0", 64) + `"}]`))
	f.Add([]byte(`{"mounts":[{"source":"/dev/sda1","target":"/","type":"ext4","size_mb":9}],"interfaces":[{"name":"eth0","addresses":["192.0.2.1/24"]}],"ntp":{"synchronised":true}}`))
	f.Add([]byte(`{"command":"` + order.String() + `","host":"` + hostA.String() + `","text":"a\nb","size":3}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		check := func(err error) {
			if err != nil && !itemFault(err) {
				t.Fatalf("%q: an error of kind %v: %v", in, fault.KindOf(err), err)
			}
		}
		check(checkFacts(hostA, in))
		if body, n, err := canonicalPackages(in); err == nil {
			again, m, err := canonicalPackages(body)
			if err != nil || m != n || string(again) != string(body) {
				t.Fatalf("canonical bytes are not: %s became %s, %v", body, again, err)
			}
		} else {
			check(err)
		}
		if body, err := canonicalOSFacts(in); err == nil {
			if again, err := canonicalOSFacts(body); err != nil || string(again) != string(body) {
				t.Fatalf("canonical bytes are not: %s became %s, %v", body, again, err)
			}
		} else {
			check(err)
		}
		var bodies deposit
		door, _ := newDoor(nil)
		if err := door.output(agentA, model.Item{Kind: model.ItemOutput, Key: order.String() + "/" + hostA.String(), Payload: in}, 0, &bodies); err != nil {
			check(err)
		} else if b := bodies.bodies[0]; b.Host != hostA || len(b.Bytes) > model.MaxOutput {
			t.Fatalf("took %d bytes of host %s", len(b.Bytes), b.Host)
		}
		if body, n, next, err := canonicalCertificates(in); err == nil {
			again, m, then, err := canonicalCertificates(body)
			if err != nil || m != n || then != next || string(again) != string(body) {
				t.Fatalf("canonical bytes are not: %s became %s, %v", body, again, err)
			}
		} else {
			check(err)
		}
	})
}

// TestVersionsOfOneNameAreBounded: 256 versions of a source pass, however many binaries carry them; one
// more is refused, and only that item.
func TestVersionsOfOneNameAreBounded(t *testing.T) {
	list := func(versions int) model.Inventory {
		var inv model.Inventory
		for v := range versions {
			for _, name := range []string{"linux-image", "linux-headers"} {
				p := pkg(name, fmt.Sprintf("6.1.%d", v))
				p.Source = "linux"
				inv.Packages = append(inv.Packages, p)
			}
		}
		return inv
	}
	door, s := newDoor(nil)
	out, notes, err := door.Transform(t.Context(), gateway, []model.Item{
		item(1, model.ItemPackages, hostA, list(MaxVersions)), item(2, model.ItemPackages, hostB, list(MaxVersions+1)),
	})
	if err != nil || len(notes) != 1 || out[0].Payload == nil || out[1].Payload != nil || len(s.bodies) != 2 {
		t.Fatalf("%d notes, payloads %q and %q, %v", len(notes), out[0].Payload, out[1].Payload, err)
	}
	if n, ok := notes[0].(model.Note); !ok || !strings.Contains(n.Reason, `257 versions of "linux"; the bound is 256`) {
		t.Errorf("%+v", notes[0])
	}
}

// An agent whose every report is refused writes so many audit entries an hour, and the next one says of how many it is silent.
func TestNotesOfRefusedReportsAreRationed(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	door, _ := newDoor(nil)
	door.c.Now = func() time.Time { return now }
	notes := 0
	send := func() (detail map[string]string) {
		t.Helper()
		_, n, err := door.Transform(t.Context(), agentA, []model.Item{item(1, model.ItemFacts, hostA, "[]")})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range n {
			notes, detail = notes+1, c.(model.Note).Detail
		}
		return detail
	}
	for range 500 {
		send()
	}
	if notes != noteMost || door.Refused()[RefusedMalformed] != 500 {
		t.Errorf("%d notes, %v", notes, door.Refused())
	}
	now = now.Add(noteEvery)
	if d := send(); d["reports_not_written_down"] != "452" {
		t.Errorf("%v", d)
	}
}
