package index

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// lines shows items as "seq kind key" and what is notable about their payload.
func lines(t *testing.T, items []model.Item) (out []string) {
	for _, i := range items {
		s := fmt.Sprintf("%d %s %s", i.Seq, i.Kind, i.Key)
		switch i.Kind {
		case model.ItemOrder:
			var o model.Order
			ok(t, model.Decode(i.Payload, &o))
			var hosts []string
			for _, h := range o.Hosts {
				hosts = append(hosts, fmt.Sprint(h[15]))
			}
			s = fmt.Sprintf("%d order %d: %s", i.Seq, o.Command.ID[15], strings.Join(hosts, " "))
		case model.ItemAcceptance:
			var a model.Acceptance
			ok(t, model.Decode(i.Payload, &a))
			s += ": " + a.Reason
		case model.ItemAuthority:
			var a model.PutAuthority
			ok(t, model.Decode(i.Payload, &a))
			s += ": " + strings.Join(a.Ecosystems, " ")
		case model.ItemShelf:
			var c model.Cursor
			ok(t, model.Decode(i.Payload, &c))
			s += ": " + c.String()
		case model.ItemSigner:
			var k model.SignerKey
			ok(t, model.Decode(i.Payload, &k))
			s += ": " + k.Name
		default:
			if i.Payload != nil {
				t.Errorf("%s has a payload", s)
			}
		}
		out = append(out, s)
	}
	return out
}

func TestDirectives(t *testing.T) {
	s := openMem(t)
	site, gate, everyone := model.NodeID{0xA}, model.NodeID{0xB}, model.NodeID{}
	cmd, empty := model.CommandID(hostID(1)), model.CommandID(hostID(2))
	accepted := func(id, reason string) model.Acceptance { return model.Acceptance{ID: id, Reason: reason} }
	write(t, s, func(tx *Tx) {
		for n := 1; n <= 4; n++ {
			h := host(n, model.SiteID(site))
			if n == 2 || n == 4 {
				h.Agent = gate
			}
			if n != 4 { // host 4 is gone
				ok(t, tx.PutHost(h))
			}
			ok(t, tx.PutTask(model.Task{Command: cmd, Host: h.ID, State: model.CommandQueued}))
		}
		ok(t, tx.PutCommand(model.Command{ID: cmd, Site: model.SiteID(site), State: model.CommandQueued}))
		ok(t, tx.PutCommand(model.Command{ID: empty, Site: model.SiteID(site), State: model.CommandQueued}))
		ok(t, tx.PutAcceptance(accepted("1", "first")))
		ok(t, tx.PutAcceptance(accepted("2", "second")))
		ok(t, tx.PutShelf(apply.Shelf{Cursor: model.Cursor{At: 1000, Seq: 9}}))
		ok(t, tx.PutAuthority(model.PutAuthority{Source: "osv", Ecosystems: []string{"npm", "Go"}}))
		ok(t, tx.PutSigner(model.SignerKey{ID: "sha256:k", Name: "hq"}))

		ok(t, tx.PutDirective(everyone, model.ItemAcceptance, "acceptance:1", 1)) // 1, replaced by 7
		ok(t, tx.PutDirective(everyone, model.ItemAcceptance, "acceptance:2", 1)) // 2
		ok(t, tx.PutDirective(site, model.ItemOrder, cmd.String(), 1))            // 3
		ok(t, tx.PutDirective(gate, model.ItemOrder, cmd.String(), 1))            // 4
		ok(t, tx.PutDirective(everyone, model.ItemSigner, "sha256:k", 1))         // 5
		ok(t, tx.PutDirective(site, model.ItemAcceptance, "acceptance:2", 1))     // 6: another receiver, so 2 stays
		ok(t, tx.DeleteAcceptance("1"))
		ok(t, tx.PutDirective(everyone, model.ItemAcceptGone, "acceptance:1", 2))      // 7
		ok(t, tx.PutDirective(site, model.ItemOrder, cmd.String(), 2))                 // 8: an event, so 3 stays
		ok(t, tx.PutDirective(site, model.ItemOrder, empty.String(), 2))               // 9: has no tasks
		ok(t, tx.PutDirective(everyone, model.ItemAcceptance, "acceptance:absent", 2)) // 10: has no row
		ok(t, tx.PutDirective(everyone, model.ItemShelf, "shelf", 2))                  // 11
		ok(t, tx.PutDirective(model.NodeID{0xC}, model.ItemSigner, "sha256:k", 3))     // 12: of nobody here
	})
	order := func(seq int, hosts string) string { return fmt.Sprintf("%d order 1: %s", seq, hosts) }
	const a2, signer, gone, gen = "2 acceptance acceptance:2: second", "5 signer sha256:k: hq", "7 accept_gone acceptance:1", "11 shelf shelf: 1970-01-01T00:00:01.000Z#0009"
	for _, c := range []struct {
		name         string
		to           model.NodeID
		all          bool
		after        model.Seq
		limit, bytes int
		want         []string
		through      model.Seq
	}{
		{"a site", site, true, 0, 100, 1 << 20, []string{a2, order(3, "1 2 3 4"), signer, "6 acceptance acceptance:2: second", gone, order(8, "1 2 3 4"), gen}, 12},
		{"its own alone", site, false, 0, 100, 1 << 20, []string{order(3, "1 2 3 4"), "6 acceptance acceptance:2: second", order(8, "1 2 3 4")}, 12},
		{"a gateway", gate, true, 2, 100, 1 << 20, []string{order(4, "2"), signer, gone, gen}, 12},
		{"nobody", model.NodeID{0xD}, false, 0, 100, 1 << 20, nil, 12},
		{"everyone", everyone, true, 0, 100, 1 << 20, []string{a2, signer, gone, gen}, 12},
		{"two at a time", site, true, 0, 2, 1 << 20, []string{a2, order(3, "1 2 3 4")}, 3},
		{"two more", site, true, 3, 2, 1 << 20, []string{signer, "6 acceptance acceptance:2: second"}, 6},
		{"skipped ones count", site, true, 8, 1, 1 << 20, []string{gen}, 12},
		{"at least one", site, true, 2, 100, 1, []string{order(3, "1 2 3 4")}, 3},
		{"by size", site, true, 4, 100, 420, []string{signer, "6 acceptance acceptance:2: second"}, 6},
		{"at the end", site, true, 12, 100, 1 << 20, nil, 12},
		{"beyond", site, true, 20, 100, 1 << 20, nil, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := s.View()
			defer v.Close()
			items, through, err := v.Directives(c.to, c.after, c.limit, c.bytes, c.all)
			ok(t, err)
			if got := lines(t, items); !slices.Equal(got, c.want) || through != c.through {
				t.Fatalf("got %q through %d\nwant %q through %d", got, through, c.want, c.through)
			}
		})
	}

	// What went down one by one before schema 4 takes a number, as it does on the nodes that still send it, and no row.
	write(t, s, func(tx *Tx) {
		ok(t, tx.PutDirective(everyone, model.ItemAdvisory, "debian/1", 1))
		ok(t, tx.PutDirective(everyone, model.ItemGeneration, "generation", 1))
		ok(t, tx.PutDirective(everyone, model.ItemAuthority, "authority:osv", 1)) // 15
		got, through, err := tx.Directives(site, 12, 100, 1<<20, true)
		ok(t, err)
		if want := []string{"15 authority authority:osv: npm Go"}; !slices.Equal(lines(t, got), want) || through < 15 {
			t.Errorf("%q through %d", lines(t, got), through)
		}
		ok(t, tx.RemoveDirective(everyone, "authority:osv"))
	})

	// A removed directive's Seq does not come back, not even after a restart of the counter's cache.
	write(t, s, func(tx *Tx) { ok(t, tx.RemoveDirective(model.NodeID{0xC}, "sha256:k")) })
	write(t, s, func(tx *Tx) {
		ok(t, tx.RemoveDirective(site, cmd.String())) // both events
		ok(t, tx.PutDirective(site, model.ItemSigner, "sha256:k", 3))
	})
	v := s.View()
	defer v.Close()
	items, through, err := v.Directives(site, 0, 100, 1<<20, false)
	ok(t, err)
	if got, want := lines(t, items), []string{"6 acceptance acceptance:2: second", "16 signer sha256:k: hq"}; !slices.Equal(got, want) || through != 16 {
		t.Fatalf("got %q through %d; want %q through 16", got, through, want)
	}
	sound(t, s)
}

func TestPutDirectiveRefuses(t *testing.T) {
	s := openMem(t)
	tx := s.Begin()
	defer tx.Discard()
	kind(t, tx.PutDirective(model.NodeID{}, model.ItemHost, "x", 1), fault.Invalid, `"host" do not go down`)
	kind(t, tx.PutDirective(model.NodeID{}, model.ItemAcceptance, "other:1", 1), fault.Invalid, "and a name")
	kind(t, tx.PutDirective(model.NodeID{}, model.ItemOrder, "x", 1), fault.Invalid, "not an id")
	kind(t, tx.PutDirective(model.NodeID{}, model.ItemSigner, strings.Repeat("k", 257), 1), fault.TooLarge, "256")
	kind(t, tx.PutDirectiveWith(model.NodeID{}, model.ItemSigner, "sha256:k", 1, []byte(`{}`)), fault.Invalid, "row of their own")
	kind(t, tx.PutDirectiveWith(model.NodeID{}, model.ItemAlertAsk, "x", 1, []byte(`{`)), fault.Invalid, "no JSON")
	kind(t, tx.PutDirectiveWith(model.NodeID{}, model.ItemAlertAsk, "x", 1, []byte(`"`+strings.Repeat("x", 1<<14)+`"`)), fault.TooLarge, "16384")
	ok(t, tx.RemoveDirective(model.NodeID{}, "nothing"))
}
