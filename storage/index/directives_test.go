package index

import (
	"fmt"
	"slices"
	"strings"
	"testing"

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
		case model.ItemAdvisory, model.ItemAdvisoryGone:
			var a model.Advisory
			ok(t, model.Decode(i.Payload, &a))
			s += ": " + a.Summary + a.Cursor.String()
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
	advisory := func(id, summary string) model.Advisory {
		return model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "debian", ID: id}, Summary: summary}
	}
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
		ok(t, tx.PutAdvisory(advisory("1", "first")))
		ok(t, tx.PutAdvisory(advisory("2", "second")))
		ok(t, tx.PutSigner(model.SignerKey{ID: "sha256:k", Name: "hq"}))

		ok(t, tx.PutDirective(everyone, model.ItemAdvisory, "debian/1", 1)) // 1, replaced by 7
		ok(t, tx.PutDirective(everyone, model.ItemAdvisory, "debian/2", 1)) // 2
		ok(t, tx.PutDirective(site, model.ItemOrder, cmd.String(), 1))      // 3
		ok(t, tx.PutDirective(gate, model.ItemOrder, cmd.String(), 1))      // 4
		ok(t, tx.PutDirective(everyone, model.ItemSigner, "sha256:k", 1))   // 5
		ok(t, tx.PutDirective(site, model.ItemAdvisory, "debian/2", 1))     // 6: another receiver, so 2 stays
		ok(t, tx.DeleteAdvisory(model.AdvisoryKey{Source: "debian", ID: "1"}, model.Cursor{At: 1000, Seq: 9}))
		ok(t, tx.PutDirective(everyone, model.ItemAdvisoryGone, "debian/1", 2))    // 7
		ok(t, tx.PutDirective(site, model.ItemOrder, cmd.String(), 2))             // 8: an event, so 3 stays
		ok(t, tx.PutDirective(site, model.ItemOrder, empty.String(), 2))           // 9: has no tasks
		ok(t, tx.PutDirective(everyone, model.ItemAdvisory, "debian/absent", 2))   // 10: has no row
		ok(t, tx.PutDirective(everyone, model.ItemGeneration, "generation", 2))    // 11
		ok(t, tx.PutDirective(model.NodeID{0xC}, model.ItemSigner, "sha256:k", 3)) // 12: of nobody here
	})
	order := func(seq int, hosts string) string { return fmt.Sprintf("%d order 1: %s", seq, hosts) }
	const a2, signer, gone, gen = "2 advisory debian/2: second", "5 signer sha256:k: hq", "7 advisory_gone debian/1: 1970-01-01T00:00:01.000Z#0009", "11 generation generation"
	for _, c := range []struct {
		name         string
		to           model.NodeID
		all          bool
		after        model.Seq
		limit, bytes int
		want         []string
		through      model.Seq
	}{
		{"a site", site, true, 0, 100, 1 << 20, []string{a2, order(3, "1 2 3 4"), signer, "6 advisory debian/2: second", gone, order(8, "1 2 3 4"), gen}, 12},
		{"its own alone", site, false, 0, 100, 1 << 20, []string{order(3, "1 2 3 4"), "6 advisory debian/2: second", order(8, "1 2 3 4")}, 12},
		{"a gateway", gate, true, 2, 100, 1 << 20, []string{order(4, "2"), signer, gone, gen}, 12},
		{"nobody", model.NodeID{0xD}, false, 0, 100, 1 << 20, nil, 12},
		{"everyone", everyone, true, 0, 100, 1 << 20, []string{a2, signer, gone, gen}, 12},
		{"two at a time", site, true, 0, 2, 1 << 20, []string{a2, order(3, "1 2 3 4")}, 3},
		{"two more", site, true, 3, 2, 1 << 20, []string{signer, "6 advisory debian/2: second"}, 6},
		{"skipped ones count", site, true, 8, 1, 1 << 20, []string{gen}, 12},
		{"at least one", site, true, 2, 100, 1, []string{order(3, "1 2 3 4")}, 3},
		{"by size", site, true, 4, 100, 420, []string{signer, "6 advisory debian/2: second"}, 6},
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
	if got, want := lines(t, items), []string{"6 advisory debian/2: second", "13 signer sha256:k: hq"}; !slices.Equal(got, want) || through != 13 {
		t.Fatalf("got %q through %d; want %q through 13", got, through, want)
	}
	sound(t, s)
}

func TestPutDirectiveRefuses(t *testing.T) {
	s := openMem(t)
	tx := s.Begin()
	defer tx.Discard()
	kind(t, tx.PutDirective(model.NodeID{}, model.ItemHost, "x", 1), fault.Invalid, `"host" do not go down`)
	kind(t, tx.PutDirective(model.NodeID{}, model.ItemAdvisory, "noslash", 1), fault.Invalid, "source/id")
	kind(t, tx.PutDirective(model.NodeID{}, model.ItemOrder, "x", 1), fault.Invalid, "not an id")
	kind(t, tx.PutDirective(model.NodeID{}, model.ItemSigner, strings.Repeat("k", 257), 1), fault.TooLarge, "256")
	kind(t, tx.PutDirectiveWith(model.NodeID{}, model.ItemSigner, "sha256:k", 1, []byte(`{}`)), fault.Invalid, "row of their own")
	kind(t, tx.PutDirectiveWith(model.NodeID{}, model.ItemAlertAsk, "x", 1, []byte(`{`)), fault.Invalid, "no JSON")
	kind(t, tx.PutDirectiveWith(model.NodeID{}, model.ItemAlertAsk, "x", 1, []byte(`"`+strings.Repeat("x", 1<<14)+`"`)), fault.TooLarge, "16384")
	ok(t, tx.RemoveDirective(model.NodeID{}, "nothing"))
}
