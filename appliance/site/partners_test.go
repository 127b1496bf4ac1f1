package site

import (
	"reflect"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// Who may bring bundles, which risks were accepted and who speaks for what is in the registry: without it a site that was
// rebuilt would let in everybody whose key it trusts.
func TestTheRegistryHoldsWhatIsAllowed(t *testing.T) {
	open := func() *index.Store {
		s, err := index.Open(t.TempDir(), index.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	all := func(s *index.Store) registry {
		v := s.View()
		defer v.Close()
		r, err := readRegistry(v)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	was, now := open(), open()
	want := registry{
		Version: registryVersion, Self: model.Found{Self: model.NodeID{1}, Role: model.RoleSite},
		Partners:    []model.Partner{{Name: "oslo", Enabled: true, Sources: []string{"osv"}}},
		Acceptances: []model.Acceptance{{ID: "a1", Vulnerability: "CVE-2024-0001", Reason: "r", By: "ann", Until: 9, Envelope: []byte("{}")}},
		Authorities: []model.PutAuthority{{Source: "osv", Ecosystems: []string{"npm"}}},
	}
	copyTo := func(s *index.Store, r registry) {
		tx := s.Begin()
		defer tx.Discard()
		if err := r.put(tx); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(1, false); err != nil {
			t.Fatal(err)
		}
	}
	copyTo(was, want)
	copyTo(now, all(was))
	if got := all(now); !reflect.DeepEqual(got.Partners, want.Partners) || !reflect.DeepEqual(got.Acceptances, want.Acceptances) || !reflect.DeepEqual(got.Authorities, want.Authorities) {
		t.Errorf("%+v", got)
	}
}
