package api

import (
	"bytes"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

// forged is a bundle of one record that the holder of a key writes as it likes.
func forged(t *testing.T, of *rowRig, key string, origin model.NodeID, from model.Cursor, announce ...model.SignerKey) []byte {
	t.Helper()
	keys, err := of.server.c.Keys.All()
	if err != nil {
		t.Fatal(err)
	}
	to := model.Cursor{At: from.At + 1, Seq: from.Seq + 1}
	var out bytes.Buffer
	_, err = bundle.Write(t.Context(), &out, bundle.WriteConfig{
		Origin: origin, OriginName: "us-east", From: from, To: to, ExpiresAt: bundle.Expiry(to, of.server.now()), Signer: keys[key], Announce: announce,
		Changes: func(fn func(model.AdvisoryChange) error) error {
			a := advisory("ghsa", "GHSA-2222-2222-2222", nil, "npm", "b", "1")
			return fn(model.AdvisoryChange{Key: a.AdvisoryKey, Cursor: to, Advisory: &a, Canonical: a.ID})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestAKeySpeaksForItsOriginAlone: whoever is trusted with bundles of its own does not thereby speak for somebody else.
func TestAKeySpeaksForItsOriginAlone(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	for name, site := range map[string]*rowRig{"partner": newHQ(t), "controller": newBerlin(t, func(c *Config) { c.Controller = east.self })} {
		t.Run(name, func(t *testing.T) {
			site.trusts(east.rig, "federation")
			read[schema.ImportResult](site.rig, site.imports(full, ""), 200)
			other := newRowRig(t, model.RoleController, model.NodeID{15: 60}, "us-west")
			read[schema.Key](other.rig, other.do("POST", "/api/v1/keys", `{"name":"other"}`), 201)
			other.puts([]model.Advisory{advisory("ghsa", "GHSA-9999-9999-9999", nil, "npm", "c", "1")})
			site.trusts(other.rig, "other")
			read[schema.ImportResult](site.rig, site.imports(other.exported(""), ""), 200) // of its own
			bad := forged(t, other, "other", east.self, site.shelf().Imported[east.self.String()])
			site.refused(site.imports(bad, ""), 403, fault.Denied, "Signature verification failed: the key")
			good := forged(t, east, "federation", east.self, site.shelf().Imported[east.self.String()])
			read[schema.ImportResult](site.rig, site.imports(good, ""), 200)
		})
	}
}

// TestOthersKeysAreNotAnnounced: with a bundle comes what the signer says of its own keys, and no more.
func TestOthersKeysAreNotAnnounced(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	r := newHQ(t)
	read[schema.Key](r.rig, r.do("POST", "/api/v1/keys", `{"name":"ours"}`), 201)
	r.trusts(east.rig, "federation")
	read[schema.ImportResult](r.rig, r.imports(full, ""), 200)
	signers, err := r.server.signers()
	if err != nil {
		t.Fatal(err)
	}
	var ours model.SignerKey
	for _, k := range signers {
		if k.Name == "ours" {
			ours = k
		}
	}
	stranger := newHQ(t)
	read[schema.Key](stranger.rig, stranger.do("POST", "/api/v1/keys", `{"name":"more"}`), 201)
	fresh, err := stranger.server.signers()
	if err != nil {
		t.Fatal(err)
	}
	ours.RetiresAt = r.server.now() + 1
	fresh[0].Purposes = []string{model.PurposeAcceptance, model.PurposeFederation}
	b := forged(t, east, "federation", east.self, r.shelf().Imported[east.self.String()], ours, fresh[0])
	read[schema.ImportResult](r.rig, r.imports(b, ""), 200)
	if signers, err = r.server.signers(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, k := range signers {
		switch k.ID {
		case ours.ID:
			if n++; !k.RetiresAt.IsZero() || !k.Own {
				t.Errorf("our key retires because a partner says so: %+v", k)
			}
		case fresh[0].ID:
			if n++; k.AcceptsRisks() || k.Own || k.Origin != east.self {
				t.Errorf("a partner's new key: %+v", k)
			}
		}
	}
	if n != 2 {
		t.Errorf("%+v", signers)
	}
}

// TestWholeBundlesTakeAway: what a bundle of everything does not have is of a life of its origin that was lost. What others said stays.
func TestWholeBundlesTakeAway(t *testing.T) {
	r := newBerlin(t)
	before := newRowRig(t, model.RoleController, model.NodeID{15: 50}, "us-east")
	before.puts([]model.Advisory{advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"), advisory("ghsa", "GHSA-3333-3333-3333", nil, "npm", "c", "1")})
	full := before.exported("")
	r.trusts(before.rig, "federation")
	read[schema.ImportResult](r.rig, r.imports(full, ""), 200)
	r.puts([]model.Advisory{advisory("ghsa", "GHSA-7777-7777-7777", nil, "npm", "z", "1")})
	if n := r.shelf().AdvisoryN; n != 3 {
		t.Fatalf("%d records", n)
	}
	whole := forged(t, before, "federation", before.self, model.Cursor{}) // with one record alone
	read[schema.ImportResult](r.rig, r.imports(whole, "force=true"), 200)
	if n := r.shelf().AdvisoryN; n != 2 {
		t.Errorf("%d records, want that of the bundle and that of this server", n)
	}
}
