package apply_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func accepted(name string) model.Acceptance {
	return model.Acceptance{ID: name, Vulnerability: "CVE-2024-0001", Reason: "behind the wall", By: "ann", At: 5, Until: 9, Envelope: []byte("{}")}
}

// What is said of risks and sources at a controller holds at its sites, whatever is sent twice, and is taken back there too.
func TestAcceptancesAndAuthoritiesGoDown(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	held := model.Seq(0)
	down := func() (kinds string) {
		t.Helper()
		items := hq.down(model.NodeID(berlin), held)
		for range 2 {
			site.receive(groupID, items...)
		}
		for _, i := range items {
			held = i.Seq
			kinds += string(i.Kind) + " "
		}
		return kinds
	}
	same := func() {
		t.Helper()
		for _, get := range []func(v *index.View) (any, error){
			func(v *index.View) (any, error) { return v.Acceptances() },
			func(v *index.View) (any, error) { return v.Authorities() },
		} {
			if a, b := look(hq, get), look(site, get); !reflect.DeepEqual(a, b) {
				t.Errorf("the controller has %+v, the site %+v", a, b)
			}
		}
	}
	for range 2 {
		hq.must(model.PutAcceptance{Stamp: hq.stamp(), Acceptance: accepted("a1")})
	}
	hq.must(model.PutAcceptance{Stamp: hq.stamp(), Acceptance: accepted("a2")}, model.PutAuthority{Stamp: hq.stamp(), Source: "osv", Ecosystems: []string{"npm", "*"}})
	if e := hq.audit(); e.Action != "authority.put" || e.Object != "osv" || e.Detail["ecosystems"] != "npm *" {
		t.Errorf("%+v", e)
	}
	if kinds := down(); kinds != "acceptance acceptance authority " {
		t.Errorf("went down: %s", kinds)
	}
	same()
	if got := look(site, func(v *index.View) (map[string][]string, error) { return v.Authorities() }); len(got["osv"]) != 2 {
		t.Errorf("%v", got)
	}
	hq.must(model.DropAcceptance{Stamp: hq.stamp(), ID: "a1"}, model.DropAcceptance{Stamp: hq.stamp(), ID: "a1"}, model.DropAcceptance{ID: "none"}, model.PutAuthority{Stamp: hq.stamp(), Source: "osv"})
	if kinds := down(); kinds != "accept_gone authority " {
		t.Errorf("went down: %s", kinds)
	}
	same()
	if got := look(site, func(v *index.View) (map[string][]string, error) { return v.Authorities() }); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := look(site, func(v *index.View) (bool, error) { _, ok, err := v.Acceptance("a1"); return ok, err }); got {
		t.Error("it was taken back, and is there")
	}
	// What a site says itself stays with it.
	if up := site.must(model.PutAcceptance{Stamp: site.stamp(), Acceptance: accepted("own")}); len(up) != 0 || site.audit().Action != "risk.accept" {
		t.Errorf("went up: %+v", up)
	}
	// A controller that was restored says all of it again.
	w := hq.backup()
	was := w.head()
	if _, err := w.restore(1_800_000_000_000); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, i := range w.down(model.NodeID(berlin), was) {
		kinds = append(kinds, string(i.Kind))
	}
	if got := strings.Join(kinds, " "); got != "restored acceptance authority" {
		t.Errorf("after the restore: %s", got)
	}
	hq.sound()
	site.sound()
}

// An item whose key is another's is refused, and stops nothing.
func TestASiteChecksWhatIsAccepted(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	endless := accepted("x")
	endless.Until = 5
	site.must(model.Received{Stamp: site.stamp(), Origin: groupID, Epoch: 1, Items: []model.Item{
		item(t, 1, model.ItemAcceptance, "acceptance:y", accepted("x")), item(t, 2, model.ItemAcceptance, "acceptance:x", endless),
		item(t, 3, model.ItemAcceptGone, "other:x", nil), item(t, 4, model.ItemAuthority, "authority:y", model.PutAuthority{Source: "x"}),
		item(t, 5, model.ItemAcceptance, "acceptance:z", "no acceptance"), item(t, 6, model.ItemAuthority, "authority:y", []int{1}),
		item(t, 7, model.ItemShelf, "shelf", 5), item(t, 8, model.ItemAcceptance, "acceptance:last", accepted("last")),
	}})
	all := look(site, func(v *index.View) ([]model.Acceptance, error) { return v.Acceptances() })
	if len(all) != 1 || all[0].ID != "last" {
		t.Errorf("%+v", all)
	}
	refused := 0
	for _, e := range look(site, func(v *index.View) ([]model.AuditEntry, error) { return v.Audit(0, 100) }) {
		if e.Action == "item.refuse" && !e.OK {
			refused++
		}
	}
	if refused != 7 {
		t.Errorf("%d refusals in the audit record, want 7", refused)
	}
}

func TestPartners(t *testing.T) {
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	p := model.Partner{Name: "oslo", Enabled: true, MaxBundle: 1 << 20, Sources: []string{"osv", "debian"}, SkipSignature: true}
	c := model.PutPartner{Stamp: w.stamp(), Partner: p}
	w.must(c)
	p.At = c.At
	if got := look(w, func(v *index.View) ([]model.Partner, error) { return v.Partners() }); len(got) != 1 || !reflect.DeepEqual(got[0], p) {
		t.Errorf("%+v", got)
	}
	if e := w.audit(); e.Action != "partner.put" || e.Object != "oslo" || e.Detail["skip_signature"] != "yes" || e.Detail["sources"] != "osv debian" {
		t.Errorf("%+v", e)
	}
	w.must(model.DropPartner{Stamp: w.stamp(), Name: "oslo"})
	e := w.audit()
	w.must(model.DropPartner{Stamp: w.stamp(), Name: "oslo"})
	if e.Action != "partner.drop" || w.audit().Seq != e.Seq {
		t.Errorf("%+v", e)
	}
	for name, c := range map[string]model.Change{
		"no name":         model.PutPartner{},
		"long name":       model.PutPartner{Partner: model.Partner{Name: strings.Repeat("x", 129)}},
		"below nothing":   model.PutPartner{Partner: model.Partner{Name: "x", MaxBundle: -1}},
		"empty source":    model.PutPartner{Partner: model.Partner{Name: "x", Sources: []string{""}}},
		"no source":       model.PutAuthority{},
		"long ecosystem":  model.PutAuthority{Source: "x", Ecosystems: []string{strings.Repeat("x", 129)}},
		"no id":           model.PutAcceptance{Acceptance: model.Acceptance{Vulnerability: "x", Reason: "r", By: "b", Until: 1}},
		"no reason":       model.PutAcceptance{Acceptance: model.Acceptance{ID: "x", Vulnerability: "x", By: "b", Until: 1}},
		"over before now": model.PutAcceptance{Acceptance: model.Acceptance{ID: "x", Vulnerability: "x", Reason: "r", By: "b", At: 2, Until: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.do(c); !fault.Is(err, fault.Invalid) {
				t.Errorf("%v", err)
			}
		})
	}
	big := accepted("x")
	big.Envelope = make([]byte, 1<<17)
	w.refused(fault.TooLarge, model.PutAcceptance{Acceptance: big})
	w.refused(fault.TooLarge, model.PutAuthority{Source: "x", Ecosystems: make([]string, 257)})
}
