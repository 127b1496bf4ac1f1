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
		s.bodies[b.Host.String()+"/"+string(b.Kind)] = b.JSON
		sum := sha256.Sum256(b.JSON)
		digests = append(digests, hex.EncodeToString(sum[:]))
	}
	return digests, nil
}

func newDoor(owners map[model.HostID]model.NodeID) (*Door, *shelf) {
	s := &shelf{bodies: map[string][]byte{}}
	return NewDoor(DoorConfig{
		Detail: s, Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }, Log: quiet,
		Owner: func(h model.HostID) (model.NodeID, bool, error) { o, ok := owners[h]; return o, ok, nil },
	}), s
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

func TestRefusedItemsKeepTheirPlace(t *testing.T) {
	long := strings.Repeat("x", 300)
	tooMany := model.Inventory{Packages: make([]model.Package, MaxPackages+1)}
	owned := map[model.HostID]model.NodeID{hostB: {0x77}}
	cases := []struct {
		name string
		m    model.Member
		it   model.Item
		text string
	}{
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
			if len(s.bodies) != 0 {
				t.Errorf("a refused body was stored: %v", s.bodies)
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
	if err != nil || len(notes) != 1 || out[0].Payload == nil || out[1].Payload != nil || len(s.bodies) != 1 {
		t.Fatalf("%d notes, payloads %q and %q, %v", len(notes), out[0].Payload, out[1].Payload, err)
	}
	if n, ok := notes[0].(model.Note); !ok || !strings.Contains(n.Reason, `257 versions of "linux"; the bound is 256`) {
		t.Errorf("%+v", notes[0])
	}
}
