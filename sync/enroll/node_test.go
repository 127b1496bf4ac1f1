package enroll

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func founding() Founding {
	return Founding{Member: model.NodeID{0xa1}, Group: model.NodeID{0xee}, Name: "first", GroupName: "hq", Now: fixed(day)}
}

// The founder keeps what it made; whatever it is asked to be later, it stays who it is.
func TestFoundNode(t *testing.T) {
	data := t.TempDir()
	ca := openCA(t, filepath.Join(data, "pki"))
	if _, err := LoadNode(data); !fault.Is(err, fault.NotFound) {
		t.Fatalf("before: %v", err)
	}
	n, err := FoundNode(data, ca, founding())
	if err != nil {
		t.Fatal(err)
	}
	if n.Member != (model.NodeID{0xa1}) || n.Upper != (model.NodeID{0xee}) || n.Kind != model.MemberController || n.Name != "first" || n.UpperName != "hq" ||
		len(n.Secrets.GroupKey) != 32 || string(n.Secrets.GroupKey) == strings.Repeat("\x00", 32) || n.CAPin() != ca.Pin() {
		t.Errorf("founded %+v", n.Identity)
	}
	c := n.Register(model.TimeOf(day), "hq-1:8443")
	if c.Member != n.Member || c.Pin != n.Pin() || c.Address != "hq-1:8443" || c.Name != "first" || c.Actor != "controller:"+n.Member.String() || c.At != model.TimeOf(day) {
		t.Errorf("it registers as %+v", c)
	}
	other := founding()
	other.Member, other.Group = model.NodeID{9}, model.NodeID{8}
	again, err := FoundNode(data, ca, other)
	if err != nil || again.Member != n.Member || again.Upper != n.Upper || again.Pin() != n.Pin() || string(again.Secrets.GroupKey) != string(n.Secrets.GroupKey) {
		t.Errorf("again: %+v, %v", again.Identity, err)
	}
	begun := founding()
	begun.GroupKey = []byte(strings.Repeat("k", 32))
	if n, err := FoundNode(t.TempDir(), ca, begun); err != nil || string(n.Secrets.GroupKey) != strings.Repeat("k", 32) {
		t.Errorf("with the key that the group had: %v", err)
	}
	begun.GroupKey = begun.GroupKey[1:]
	if _, err := FoundNode(t.TempDir(), ca, begun); !fault.Is(err, fault.Invalid) {
		t.Errorf("with a short key: %v", err)
	}
	if _, err := FoundNode(data, openCA(t, t.TempDir()), founding()); !fault.Is(err, fault.Corrupt) {
		t.Errorf("with another authority: %v", err)
	}
	for name, bad := range map[string]Founding{"no id": {Group: model.NodeID{1}, Name: "a"}, "no group": {Member: model.NodeID{1}, Name: "a"}, "no name": {Member: model.NodeID{1}, Group: model.NodeID{1}}} {
		if _, err := FoundNode(t.TempDir(), ca, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A crash at each write leaves a folder that the next start makes whole, without a second identity.
func TestFoundNodeAfterACrash(t *testing.T) {
	for _, left := range [][]string{{"key.pem"}, {"key.pem", "group.key"}, {"key.pem", "group.key", "nodes.json"}} {
		data := t.TempDir()
		ca := openCA(t, filepath.Join(data, "pki"))
		n, err := FoundNode(data, ca, founding())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"key.pem", "group.key", "nodes.json", "identity.json"} {
			keep := false
			for _, k := range left {
				keep = keep || k == name
			}
			if !keep {
				if err := os.Remove(filepath.Join(data, "cluster", name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		again, err := FoundNode(data, ca, founding())
		if err != nil || again.Pin() != n.Pin() || again.Cert != n.Cert {
			t.Errorf("with %v left: %v", left, err)
		}
	}
}

func TestLoadNodeDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir string) error
		want  fault.Kind
		text  string
	}{
		"no group key":     {func(d string) error { return os.Remove(filepath.Join(d, "group.key")) }, fault.Corrupt, "copy it from another controller"},
		"short group key":  {func(d string) error { return os.WriteFile(filepath.Join(d, "group.key"), []byte("x"), 0o600) }, fault.Corrupt, "1 bytes instead of 32"},
		"open group key":   {func(d string) error { return os.Chmod(filepath.Join(d, "group.key"), 0o644) }, fault.Denied, "chmod 600"},
		"no key":           {func(d string) error { return os.Remove(filepath.Join(d, "key.pem")) }, fault.Corrupt, "restore it from a backup"},
		"no list of nodes": {func(d string) error { return os.Remove(filepath.Join(d, "nodes.json")) }, 0, ""},
		"damaged list":     {func(d string) error { return os.WriteFile(filepath.Join(d, "nodes.json"), []byte("{"), 0o600) }, 0, ""},
	} {
		data := t.TempDir()
		if _, err := FoundNode(data, openCA(t, filepath.Join(data, "pki")), founding()); err != nil {
			t.Fatal(err)
		}
		if err := c.spoil(filepath.Join(data, "cluster")); err != nil {
			t.Fatal(err)
		}
		_, err := LoadNode(data)
		if c.want == 0 && err != nil || c.want != 0 && (!fault.Is(err, c.want) || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A folder that belongs to something is not joined to something else.
func TestBeginNode(t *testing.T) {
	g, other := newGroup(t), newGroup(t)
	tok := g.invite(t, model.MemberController, "second")
	for name, fill := range map[string]func(data string){
		"a store":           func(d string) { os.Mkdir(filepath.Join(d, "index"), 0o700) },
		"a log":             func(d string) { os.Mkdir(filepath.Join(d, "raft"), 0o700) },
		"an older node":     func(d string) { os.WriteFile(filepath.Join(d, "node-id"), []byte("x"), 0o600) },
		"its own authority": func(d string) { openCA(t, filepath.Join(d, "pki")) },
		"an authority's key": func(d string) {
			if _, err := OpenKey(filepath.Join(d, "pki")); err != nil {
				t.Fatal(err)
			}
		},
		"the founder of a group": func(d string) {
			if _, err := FoundNode(d, openCA(t, filepath.Join(d, "pki")), founding()); err != nil {
				t.Fatal(err)
			}
		},
		"a node of another group": func(d string) {
			if _, err := other.joinAs(t, d, other.invite(t, model.MemberController, "x"+d), "b:1"); err != nil {
				t.Fatal(err)
			}
		},
		"another node of this group": func(d string) {
			if _, err := g.joinAs(t, d, g.invite(t, model.MemberController, "y"+d), "b:1"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		data := t.TempDir()
		fill(data)
		if _, err := BeginNode(data, tok); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "empty") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What a crash in the middle of a join left is no hindrance.
	data := t.TempDir()
	if _, err := g.joinAs(t, data, tok, "b:1"); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"cluster/identity.json", "cluster/nodes.json", "cluster/group.key", "pki/cert.pem", "pki/key.pem"} {
		if err := os.Remove(filepath.Join(data, gone)); err != nil {
			t.Fatal(err)
		}
		probe := t.TempDir()
		if err := os.CopyFS(probe, os.DirFS(data)); err != nil {
			t.Fatal(err)
		}
		// CopyFS gives files the modes of an archive; keys must be private.
		for _, k := range []string{"cluster/key.pem", "cluster/group.key", "pki/key.pem"} {
			_ = os.Chmod(filepath.Join(probe, k), 0o600)
		}
		if _, err := g.joinAs(t, probe, tok, "b:1"); err != nil {
			t.Errorf("without %s: %v", gone, err)
		}
	}
	// What SaveNode is given must hold together, and must not replace another authority.
	n, err := g.joinAs(t, t.TempDir(), g.invite(t, model.MemberController, "third"), "b:1")
	if err != nil {
		t.Fatal(err)
	}
	occupied := t.TempDir()
	openCA(t, filepath.Join(occupied, "pki"))
	if err := SaveNode(occupied, n); !fault.Is(err, fault.Conflict) {
		t.Errorf("over another authority: %v", err)
	}
	n.Secrets.GroupKey = n.Secrets.GroupKey[:5]
	if err := SaveNode(t.TempDir(), n); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a short key: %v", err)
	}
}

// FuzzSecrets reads any bytes as what an upper end told a controller: what is accepted is of the
// authority that the token pins.
func FuzzSecrets(f *testing.F) {
	ca, err := OpenCA(f.TempDir(), "hq", fixed(day), nil)
	if err != nil {
		f.Fatal(err)
	}
	key, err := ca.keyPEM()
	if err != nil {
		f.Fatal(err)
	}
	good := Secrets{
		Version: 1, CAKey: key, CA: string(ca.CertPEM()), GroupKey: []byte(strings.Repeat("k", 32)),
		Nodes: []NodeAddress{{model.NodeID{1}, "a", "a:1"}},
	}
	seed := func(change func(*Secrets)) []byte {
		s := good
		change(&s)
		b, err := model.Encode(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		return b
	}
	if _, err := decodeSecrets(seed(func(*Secrets) {}), ca.Pin()); err != nil {
		f.Fatal("the seed is not good: ", err)
	}
	for name, bad := range map[string][]byte{
		"nothing":       {},
		"newer":         seed(func(s *Secrets) { s.Version = 2 }),
		"no key":        seed(func(s *Secrets) { s.CAKey = "" }),
		"no cert":       seed(func(s *Secrets) { s.CA = "" }),
		"short key":     seed(func(s *Secrets) { s.GroupKey = nil }),
		"many nodes":    seed(func(s *Secrets) { s.Nodes = make([]NodeAddress, 65) }),
		"nameless node": seed(func(s *Secrets) { s.Nodes = make([]NodeAddress, 1) }),
	} {
		if _, err := decodeSecrets(bad, ca.Pin()); err == nil {
			f.Fatalf("%s was accepted", name)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSecrets(b, ca.Pin())
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version && k != fault.TooLarge {
				t.Errorf("an error of kind %s: %v", k, err)
			}
			return
		}
		if len(s.GroupKey) != 32 || s.CAKey == "" || len(s.Nodes) > 64 || s.verify(ca.Pin()) != nil {
			t.Errorf("accepted: %d nodes, a key of %d bytes", len(s.Nodes), len(s.GroupKey))
		}
	})
}
