package alert

import (
	"errors"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Each letter of judged is one judgement, a second apart from the one before: t it holds, f it does not. Want has a
// letter for what came of each: . nothing, O opens, R resolves.
func TestStep(t *testing.T) {
	for _, tc := range []struct {
		name         string
		fors, clear  int64
		judged, want string
	}{
		{"at once", 0, 0, "tttfftt", "O..R.O."},
		{"it must hold for a while", 3, 0, "tttttf", "...O.R"},
		{"a wait begins anew", 3, 0, "ttfttttf", "......OR"},
		{"hysteresis", 0, 2, "tftfftfff", "O.......R"},
		{"both", 2, 2, "tttfffftttf", "..O..R...O."},
		{"nothing to be said", 0, 0, "fff", "..."},
	} {
		r := &model.Rule{Name: "r", ForS: tc.fors, ClearS: tc.clear}
		var w model.Watch
		got := ""
		for i, c := range tc.judged {
			var e Event
			w, e = Step(r, w, c == 't', model.Time(1000*(i+1)))
			switch e {
			case Open:
				w.Alert = model.AlertID{15: byte(i + 1)}
				got += "O"
			case Resolve:
				got += "R"
			default:
				got += "."
			}
		}
		if got != tc.want {
			t.Errorf("%s: %s gives %s, want %s", tc.name, tc.judged, got, tc.want)
		}
	}
}

// What an operator resolved while it held opens again only once it has ceased to hold.
func TestStepHeld(t *testing.T) {
	r := &model.Rule{Name: "r", ClearS: 2}
	w := model.Watch{Rule: "r", TrueSince: 1000, Held: true}
	for i, c := range "tttftffftt" {
		var e Event
		w, e = Step(r, w, c == 't', model.Time(2000+1000*i))
		if want := i == 8; (e == Open) != want || e == Resolve {
			t.Errorf("judgement %d: event %d, %+v", i, e, w)
		}
		if e == Open {
			w.Alert = model.AlertID{1}
		}
	}
}

func TestStepBackwards(t *testing.T) {
	r := &model.Rule{Name: "r", ForS: 10, ClearS: 10}
	w, e := Step(r, model.Watch{Rule: "r", TrueSince: 90_000}, true, 50_000)
	if e != None || w.TrueSince != 50_000 {
		t.Errorf("%+v, %d", w, e)
	}
	if w, e = Step(r, w, true, 60_000); e != Open {
		t.Errorf("%+v, %d", w, e)
	}
	w.Alert = model.AlertID{1}
	w.FalseSince = 99_000
	if w, e = Step(r, w, false, 60_000); e != None || w.FalseSince != 60_000 {
		t.Errorf("%+v, %d", w, e)
	}
	if _, e = Step(r, w, false, 70_000); e != Resolve {
		t.Errorf("event %d", e)
	}
}

func TestDue(t *testing.T) {
	r := &model.Rule{ForS: 5, ClearS: 7}
	for _, tc := range []struct {
		w    model.Watch
		want model.Time
	}{
		{model.Watch{}, 0},
		{model.Watch{TrueSince: 1000}, 6000},
		{model.Watch{TrueSince: 1000, Held: true}, 0},
		{model.Watch{TrueSince: 1000, Alert: model.AlertID{1}}, 0},
		{model.Watch{TrueSince: 1000, Alert: model.AlertID{1}, FalseSince: 2000}, 9000},
	} {
		if got := Due(r, tc.w); got != tc.want {
			t.Errorf("%+v: %d, want %d", tc.w, got, tc.want)
		}
	}
}

func TestCheck(t *testing.T) {
	good := model.Rule{Name: "disk-low", Scope: model.ScopeSite, When: "disk.free < 5g", Severity: model.AlertWarning}
	if err := Check(&good); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*model.Rule)
		kind   fault.Kind
	}{
		"no name":          {func(r *model.Rule) { r.Name = "" }, fault.Invalid},
		"a megabyte":       {func(r *model.Rule) { r.Name = strings.Repeat("n", 1<<20) }, fault.Invalid},
		"capitals":         {func(r *model.Rule) { r.Name = "Disk" }, fault.Invalid},
		"the controller's": {func(r *model.Rule) { r.Name = "controller:disk" }, fault.Invalid},
		"scope":            {func(r *model.Rule) { r.Scope = "fleet" }, fault.Invalid},
		"severity":         {func(r *model.Rule) { r.Severity = "mild" }, fault.Invalid},
		"empty":            {func(r *model.Rule) { r.When = "  " }, fault.Invalid},
		"long":             {func(r *model.Rule) { r.When = strings.Repeat("x", MaxWhen+1) }, fault.TooLarge},
		"long title":       {func(r *model.Rule) { r.Title = strings.Repeat("x", MaxTitle+1) }, fault.TooLarge},
		"two lines":        {func(r *model.Rule) { r.Title = "a\nb" }, fault.Invalid},
		"no text":          {func(r *model.Rule) { r.Title = "\xff" }, fault.Invalid},
		"back":             {func(r *model.Rule) { r.ForS = -1 }, fault.Invalid},
		"for ever":         {func(r *model.Rule) { r.ClearS = MaxWait + 1 }, fault.Invalid},
	} {
		r := good
		tc.change(&r)
		if err := Check(&r); !fault.Is(err, tc.kind) || len(err.Error()) > 300 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, r := range Defaults() {
		if err := Check(&r); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		if _, err := Parse(r.When); r.Scope == model.ScopeSite && err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, i := range Metrics() {
		c, err := Parse(i.Example)
		if err != nil || c.Metric != i.Metric {
			t.Errorf("%s: %+v, %v", i.Example, c, err)
		}
	}
	for text, want := range map[string]Condition{
		"uplink.offline>15m":        {UplinkOffline, ">", 900},
		"uplink.offline:>=1.5h":     {UplinkOffline, ">=", 5400},
		"  Disk.Free   <  2G  ":     {DiskFree, "<", 2 << 30},
		"disk.free<100":             {DiskFree, "<", 100},
		"disk.free_percent <= 5 %":  {DiskFreePercent, "<=", 5},
		"hosts.down = 0":            {HostsDown, "=", 0},
		"certificate.expiry < 2w":   {CertificateDays, "<", 14 * 86400},
		"certificate.expiry < 0":    {CertificateDays, "<", 0},
		"hosts.down_percent > 12.5": {HostsDownPercent, ">", 12.5},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string][2]int{
		"":                             {0, 0},
		"disk":                         {0, 4},
		"status:down":                  {0, 6},
		"disk.free":                    {9, 9},
		"disk.free ! 3":                {10, 10},
		"disk.free => 3":               {10, 12},
		"disk.free <":                  {11, 11},
		"disk.free < much":             {12, 16},
		"disk.free < 3 hosts.down > 1": {12, 28},
		"hosts.down > 3m":              {13, 15},
		"uplink.offline > 15":          {17, 19},
		"hosts.down > 1e9":             {13, 16},
		"hosts.down > -1":              {13, 15},
		"hosts.down > 1.2.3":           {13, 18},
	} {
		_, err := Parse(text)
		var e *SyntaxError
		if !errors.As(err, &e) || !fault.Is(err, fault.Invalid) || [2]int{e.Pos, e.End} != want {
			t.Errorf("%q: %#v, want %v", text, err, want)
		}
	}
	if _, err := Parse(strings.Repeat("x", 1<<20)); err == nil || len(err.Error()) > 200 {
		t.Errorf("a megabyte: %.300v", err)
	}
}

func TestHolds(t *testing.T) {
	var f Figures
	f.Set(UplinkOffline, 1200)
	f.Set(DiskFree, 3<<30)
	f.Set(DiskFreePercent, 4.25)
	f.Set(HostsDown, 3)
	for text, want := range map[string]struct {
		holds, known bool
		seen         string
	}{
		"uplink.offline > 15m":  {true, true, "uplink.offline is 20m"},
		"uplink.offline > 30m":  {false, true, "uplink.offline is 20m"},
		"disk.free <= 3g":       {true, true, "disk.free is 3g"},
		"disk.free_percent < 5": {true, true, "disk.free_percent is 4.3 %"},
		"hosts.down = 3":        {true, true, "hosts.down is 3"},
		"hosts.down >= 4":       {false, true, "hosts.down is 3"},
		"outbox.items > 0":      {false, false, ""},
	} {
		c, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if holds, known, seen := c.Holds(&f); holds != want.holds || known != want.known || seen != want.seen {
			t.Errorf("%s: %v, %v, %q", text, holds, known, seen)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, i := range Metrics() {
		f.Add(i.Example)
	}
	f.Add("disk.free:<<\xff 5g")
	f.Add("uplink.offline > 99999999999999999999999999999w")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		var e *SyntaxError
		if err != nil {
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > e.End || e.End > len(e.Text) {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		var g Figures
		g.Set(c.Metric, c.N)
		if _, known, _ := c.Holds(&g); !known {
			t.Fatalf("%q: %+v", text, c)
		}
	})
}
