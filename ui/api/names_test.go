package api

import (
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// keyed is a controller of another federation with one record, whose key has a name of its own, and its full bundle.
func keyed(t *testing.T, id byte, name, key string) (*rowRig, []byte) {
	t.Helper()
	r := newRowRig(t, model.RoleController, model.NodeID{15: id}, name)
	read[schema.Key](r.rig, r.do("POST", "/api/v1/keys", `{"name":"`+key+`"}`), 201)
	r.puts([]model.Advisory{advisory("ghsa", "GHSA-1111-1111-111"+string(rune('0'+id%10)), nil, "npm", "a", "1")})
	return r, r.exported("")
}

// TestANameIsOfWhoHadItFirst: what a bundle calls itself lets nobody in where that name is known to be of another origin.
func TestANameIsOfWhoHadItFirst(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	posing, posed := keyed(t, 51, "us-east", "posing")
	name := func(r *rowRig, name string, status int) {
		t.Helper()
		if w := r.do("PUT", "/api/v1/federation/sites/"+name, "{}"); w.Code != status {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	said := newHQ(t)
	configured := newHQ(t, func(c *Config) { c.Federation.AllowedSites = []string{"us-east"} })
	for how, r := range map[string]*rowRig{"said": said, "configured": configured} {
		r.trusts(east.rig, "federation")
		r.trusts(posing.rig, "posing")
		read[schema.ImportResult](r.rig, r.imports(full, ""), 200)
		if how == "said" {
			name(r, "us-east", 200) // after the first import: it has not been bound to an origin by one yet
		}
		r.refused(r.imports(posed, ""), 403, fault.Denied, "that name is another site's here; add this one by its id first")
		if list := read[[]schema.Partner](r.rig, r.do("GET", "/api/v1/federation/sites", nil), 200); len(list) != 1 || !list[0].Enabled || list[0].SiteID != east.self.String() {
			t.Errorf("%s: %+v", how, list)
		}
		read[schema.ImportResult](r.rig, r.imports(full, "force=true"), 200) // whose name it is goes on
		name(r, posing.self.String(), 200)                                   // and the other one by its id
		read[schema.ImportResult](r.rig, r.imports(posed, ""), 200)
	}
	// Where nobody is named, names mean nothing.
	open := newHQ(t)
	open.trusts(east.rig, "federation")
	open.trusts(posing.rig, "posing")
	read[schema.ImportResult](open.rig, open.imports(full, ""), 200)
	read[schema.ImportResult](open.rig, open.imports(posed, ""), 200)
}

// TestANameThatIsBound to an origin, by a row or by an import, is nobody else's, also where the configuration has it.
func TestANameThatIsBound(t *testing.T) {
	a, b, none := model.NodeID{1}, model.NodeID{2}, model.NodeID{}
	bound := func(origin model.NodeID, enabled bool) []model.Partner {
		return []model.Partner{{Name: "us-west", Origin: origin, Enabled: enabled}}
	}
	for name, c := range map[string]struct {
		rows   []model.Partner
		holder model.NodeID
		want   bool
	}{
		"nothing is known":                 {nil, none, true},
		"a row of it":                      {bound(b, true), none, true},
		"a row of nobody yet":              {bound(none, true), none, true},
		"a row of another":                 {bound(a, true), none, false},
		"a disabled row of another":        {bound(a, false), none, false},
		"an import of it":                  {nil, b, true},
		"an import of another":             {nil, a, false},
		"a row and an import of another":   {bound(a, true), a, false},
		"a row of nobody, another imports": {bound(none, true), a, false},
	} {
		s := &Server{}
		s.c.Federation.AllowedSites, s.c.Federation.UnsignedTrusted = []string{"us-west"}, true
		if p := s.permitOf(c.rows, model.NodeID{9}, b, "us-west", c.holder); (p.why == "") != c.want || p.unsigned && !c.want {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestANameWithoutASignature is of nobody: who wrote it may be anybody.
func TestANameWithoutASignature(t *testing.T) {
	posing, posed := keyed(t, 51, "us-east", "posing")
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	r := newHQ(t, func(c *Config) { c.Federation.AllowedSites, c.Federation.UnsignedTrusted = []string{"us-east"}, true })
	if done := read[schema.ImportResult](r.rig, r.imports(posed, "skip_signature=true"), 200); !done.Unsigned {
		t.Fatalf("%+v", done)
	}
	r.trusts(east.rig, "federation")
	read[schema.ImportResult](r.rig, r.imports(full, ""), 200)
	r.trusts(posing.rig, "posing")
	r.refused(r.imports(posed, "force=true"), 403, fault.Denied, "that name is another site's here")
}

// TestAnOriginThatHasAKey takes no other one of whoever comes: a key is announced by those that it has, or these are revoked.
func TestAnOriginThatHasAKey(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	r := newHQ(t)
	r.trusts(east.rig, "federation")
	read[schema.ImportResult](r.rig, r.imports(full, ""), 200)
	thief := newRowRig(t, model.RoleController, east.self, "us-east") // it says that it is the same origin
	read[schema.Key](thief.rig, thief.do("POST", "/api/v1/keys", `{"name":"thief"}`), 201)
	thief.pass(time.Hour) // later changes than those that are held
	thief.puts([]model.Advisory{advisory("ghsa", "GHSA-9999-9999-9999", nil, "npm", "z", "1")})
	stolen := thief.exported("")
	r.trusts(thief.rig, "thief")
	r.refused(r.imports(stolen, "force=true"), 403, fault.Denied, "is not one of us-east")
	v, done := r.rows.View()
	signers, err := v.Signers()
	done()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range signers {
		if k.Origin == east.self {
			k.RetiresAt = r.server.now() // a date alone lets nobody else in
			if err := r.rows.Propose(t.Context(), model.TrustSigner{Stamp: model.Stamp{Actor: "test", At: r.server.now()}, Key: k}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.refused(r.imports(stolen, "force=true"), 403, fault.Denied, "is not one of us-east")
	read[schema.Key](r.rig, r.do("POST", "/api/v1/keys/of-federation/revoke", `{"reason":"it was lost"}`), 200)
	read[schema.ImportResult](r.rig, r.imports(stolen, "force=true"), 200)
	r.refused(r.imports(full, "force=true"), 403, fault.Denied, "was revoked")
}

// TestASignatureThatHoldsCounts, also where a bundle without one would have been taken.
func TestASignatureThatHoldsCounts(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	for _, allowed := range []bool{false, true} {
		r := newHQ(t, func(c *Config) { c.Federation.Unsigned = allowed })
		r.trusts(east.rig, "federation")
		if done := read[schema.ImportResult](r.rig, r.imports(full, "skip_signature=true"), 200); done.Unsigned {
			t.Errorf("allowed %v: it was signed: %+v", allowed, done)
		}
		history := read[[]schema.ImportRecord](r.rig, r.do("GET", "/api/v1/federation/sites/us-east/history", nil), 200)
		if len(history) != 1 || history[0].Unsigned || history[0].Signer == "" {
			t.Errorf("allowed %v: %+v", allowed, history)
		}
	}
}

// TestANameOfLongAgo is still that of who had it first, however many imports came since.
func TestANameOfLongAgo(t *testing.T) {
	a, b := model.NodeID{1}, model.NodeID{2}
	by := func(origin model.NodeID, name string, unsigned bool) model.ImportRecord {
		return model.ImportRecord{Imported: model.Imported{Origin: origin, OriginName: name, Unsigned: unsigned}}
	}
	all := make([]model.ImportRecord, 2*maxImports) // newest first
	for i := range all {
		all[i] = by(b, "busy", false)
	}
	all = append(all, by(b, "us-west", false), by(a, "us-west", false), by(b, "us-west", true))
	if got, err := holder(rows{&memory{imports: all}}, "us-west"); got != a || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := holder(rows{&memory{imports: all}}, "nobody"); !got.IsZero() || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
