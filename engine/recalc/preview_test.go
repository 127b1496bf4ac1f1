package recalc

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// What a preview says is what comes of it, and it leaves nothing behind.
func TestAPreviewIsWhatComes(t *testing.T) {
	w := newWorld(t)
	w.report(10, dpkg("p", "1"), dpkg("q", "1"))
	w.report(11, dpkg("p", "1"), dpkg("q", "1"))
	w.report(12, dpkg("r", "1"))
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{record("a", "X-1", "9", "p"), record("a", "X-2", "9", "q")}}, model.Generation{Stamp: w.stamp()})
	w.drain()
	change := []model.Change{
		model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{record("a", "X-1", "0.5", "p"), record("a", "X-3", "2", "q", "r")}}, model.Generation{Stamp: w.stamp()},
	}
	var got Preview
	err := w.store.Try(change, func(v *index.View) (err error) {
		got, err = PreviewOf(t.Context(), v, w.now.Std())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	said := map[string][2][]string{}
	for _, h := range got.Hosts {
		said[h.Hostname] = [2][]string{h.Appear, h.Disappear}
	}
	both := [2][]string{{"X-3 q-bin 1"}, {"X-1 p-bin 1"}}
	want := map[string][2][]string{"h10": both, "h11": both, "h12": {{"X-3 r-bin 1"}, nil}}
	if got.Inventories != 2 || !reflect.DeepEqual(said, want) {
		t.Errorf("%d inventories, %q, want %q", got.Inventories, said, want)
	}
	w.check()
	w.must(change...)
	w.drain()
	w.check()
	if got, err := PreviewOf(t.Context(), w.look(), w.now.Std()); err != nil || len(got.Hosts) != 0 {
		t.Errorf("once it came: %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.must(change[0])
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{record("a", "X-9", "9", "p")}})
	if _, err := PreviewOf(ctx, w.look(), w.now.Std()); err == nil {
		t.Error("it did not end with its context")
	}
}

func (w *world) look() *index.View {
	v := w.store.View()
	w.t.Cleanup(func() { _ = v.Close() })
	return v
}

// A roll-up where nothing was matched is put off, and not forgotten.
func TestARollupIsPutOff(t *testing.T) {
	w := newWorld(t)
	w.r.rest = time.Hour
	w.report(10, dpkg("p", "1"))
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{record("a", "X-1", "9", "p")}}, model.Generation{Stamp: w.stamp()})
	w.drain()
	w.check()
	w.report(11, dpkg("p", "1")) // what it has is matched already
	w.drain()
	if w.judged != 0 || w.parts != 0 {
		t.Fatalf("%d judged, %d stored", w.judged, w.parts)
	}
	hosts := func() int {
		e, _, err := w.look().Exposure(model.SiteID(w.self))
		if err != nil {
			t.Fatal(err)
		}
		return e.MatchedHosts
	}
	if !w.r.owed || hosts() != 1 {
		t.Errorf("owed %v, of %d hosts; want it put off", w.r.owed, hosts())
	}
	w.now += 2 * 3_600_000
	w.drain()
	w.check()
	if w.r.owed || hosts() != 2 {
		t.Errorf("owed %v, of %d hosts", w.r.owed, hosts())
	}
}

// A statement about one binary package closes the finding of that one: in what is stored, in the counts, in the history and in a preview.
func TestAStatementOfABinaryPackage(t *testing.T) {
	w := newWorld(t)
	bin := dpkg("p", "1")
	lib := bin
	lib.Name = "p-lib"
	w.report(10, bin, lib)
	w.report(11, lib)
	x := record("a", "CVE-2026-0001", "9", "p")
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{x}}, model.Generation{Stamp: w.stamp()})
	w.drain()
	said := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "vex", ID: "V-1"}, Aliases: []string{"CVE-2026-0001"}, Statements: []model.Statement{
		{Products: []string{"pkg:deb/debian/p-lib"}, Status: model.StatementNotAffected, Justification: "component_not_present"},
	}}
	change := []model.Change{model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{said}}, model.Generation{Stamp: w.stamp()}}
	var got Preview
	err := w.store.Try(change, func(v *index.View) (err error) {
		got, err = PreviewOf(t.Context(), v, w.now.Std())
		return err
	})
	if err != nil || len(got.Hosts) != 2 || !reflect.DeepEqual(got.Hosts[0].Disappear, []string{"CVE-2026-0001 p-lib 1"}) || len(got.Hosts[0].Appear) != 0 ||
		!reflect.DeepEqual(got.Hosts[1].Disappear, got.Hosts[0].Disappear) {
		t.Errorf("%+v, %v", got, err)
	}
	w.must(change...)
	w.drain()
	w.check()
	if n := w.host(10).Exposure.Total(); n != 1 {
		t.Errorf("the host with both counts %d", n)
	}
	if n := w.host(11).Exposure.Total(); n != 0 {
		t.Errorf("the host with that one counts %d", n)
	}
	w.start() // from the rows
	w.must(model.Advisories{Stamp: w.stamp(), Delete: []model.AdvisoryKey{said.AdvisoryKey}}, model.Generation{Stamp: w.stamp()})
	w.drain()
	w.check()
	if n := w.host(11).Exposure.Total(); n != 1 {
		t.Errorf("once it was taken back, %d", n)
	}
	var history []model.FindingChange
	if err := w.look().EachJudged(func(j model.Judged) error { history = j.Changes; return nil }); err != nil || len(history) != 2 {
		t.Fatalf("%+v, %v", history, err)
	}
	for i, n := range []int{1, 0} {
		if c := history[i]; c.Reason != model.ChangeStatement || c.Now == nil || len(c.Now.Apart) != n {
			t.Errorf("%d: %+v", i, c)
		}
	}
}

// What the history tells is what changed: not that a statement has other words now, and not the statement where it was the record.
func TestTheHistoryOfAStatement(t *testing.T) {
	found := func(v model.Verdict, apart ...model.Apart) *model.Finding {
		return &model.Finding{Vulnerability: "CVE-2026-0001", Advisory: model.AdvisoryKey{Source: "a", ID: "1"}, Verdict: v, Apart: apart}
	}
	closed := func(pkg, reason string) model.Apart {
		return model.Apart{Package: pkg, Verdict: model.VerdictSuppressed, Reason: reason}
	}
	for _, c := range []struct {
		name     string
		was, now *model.Finding
		want     model.ChangeReason // "": it is no change
	}{
		{"in other words", found(model.VerdictAffected, closed("p", "x")), found(model.VerdictAffected, closed("p", "y")), ""},
		{"of another package", found(model.VerdictAffected, closed("p", "x")), found(model.VerdictAffected, closed("q", "x")), model.ChangeStatement},
		{"of one more", found(model.VerdictAffected), found(model.VerdictAffected, closed("p", "x")), model.ChangeStatement},
		{"of all", found(model.VerdictAffected, closed("p", "x")), found(model.VerdictSuppressed), model.ChangeStatement},
		{"the record, and of one more", found(model.VerdictUnknown), found(model.VerdictAffected, closed("p", "x")), model.ChangeRevised},
		{"the record, in other words", found(model.VerdictUnknown, closed("p", "x")), found(model.VerdictAffected, closed("p", "y")), model.ChangeRevised},
		{"the record came", nil, found(model.VerdictAffected, closed("p", "x")), model.ChangeRevised},
	} {
		var was, now []model.Finding
		if c.was != nil {
			was = append(was, *c.was)
		}
		if now = append(now, *c.now); c.want == "" {
			if got := differences(was, now, &news{}, 1); len(got) > 0 {
				t.Errorf("%s: %+v", c.name, got)
			}
			continue
		}
		if got := differences(was, now, &news{}, 1); len(got) != 1 || got[0].Reason != c.want {
			t.Errorf("%s: %+v, want %q", c.name, got, c.want)
		}
	}
}
