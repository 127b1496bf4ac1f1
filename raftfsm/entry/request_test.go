package entry

import (
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// A request changes nothing of the changes, whatever packs them, and nothing below version 3 has one.
func TestRequest(t *testing.T) {
	for _, changes := range [][]model.Change{
		{model.EndSession{Stamp: model.Stamp{Actor: "a"}}}, samples[:3], samples, {sampleRun(t)}, {model.RemoveMember{}},
	} {
		b, err := Encode(changes)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Read(b)
		if err != nil || want.Request != (Request{}) || want.Version != Needs(b) {
			t.Fatalf("without a request: %v, %v", want.Request, err)
		}
		for _, base := range []uint64{0, 127, 128, 1<<64 - 1} {
			r := Request{ID: request.ID, Base: base}
			named := WithRequest(b, r)
			got, err := Read(named)
			if least := max(want.Version, 3); err != nil || got.Request != r || got.Version != least || Needs(named) != least {
				t.Fatalf("got %+v, version %d, %v; want %+v", got.Request, got.Version, err, r)
			}
			if text(t, got.Changes) != text(t, want.Changes) {
				t.Errorf("got\n%s, want\n%s", text(t, got.Changes), text(t, want.Changes))
			}
		}
	}
}

// A change that a program of version 2 does not know, or applies otherwise, is in no entry that it reads.
func TestNeeds(t *testing.T) {
	for _, tc := range []struct {
		c    model.Change
		want uint32
	}{
		{model.Note{}, 1},
		{model.Received{}, 2},
		{model.PutSite{}, 1},
		{model.RemoveMember{}, 3},
		{model.RemoveMember{Reason: "was dead"}, 5},
		{&model.RemoveMember{Reason: "was dead"}, 5},
		{model.ClearSite{}, 5},
		{model.PutController{}, 3},
		{model.Overtaken{}, 3},
		{model.PutRule{}, 4},
		{model.Evaluated{}, 4},
		{model.AskAlert{}, 6},
		{model.Stage{}, 6},
		{&model.Commit{}, 6},
		{model.PutAuthority{}, 6},
		{model.Advisories{}, 1},
		{model.Received{Items: []model.Item{{Seq: 1, Kind: model.ItemAlertDone, Key: "a"}, {Seq: 2, Kind: model.ItemAlerts, Key: "alerts"}}}, 5},
		{model.Received{Items: []model.Item{{Seq: 1, Kind: model.ItemJudged, Key: "judged"}}}, 2},
		{model.Received{Items: []model.Item{{Seq: 1, Kind: model.ItemJudged, Key: "judged"}, {Seq: 2, Kind: model.ItemAlerts, Key: "alerts"}}}, 4},
		{model.Invite{}, 1},
		{model.Invite{Member: model.Member{Kind: model.MemberSite}}, 1},
		{model.Invite{Member: model.Member{Kind: model.MemberController}}, 3},
		{&model.Invite{Member: model.Member{Kind: model.MemberController}}, 3},
		{model.Enroll{}, 1},
		{model.Enroll{Address: "a:1"}, 3},
		{&model.Enroll{Address: "a:1"}, 3},
	} {
		for _, with := range [][]model.Change{{tc.c}, {tc.c, model.Note{Action: strings.Repeat("long ", 500)}}} {
			b, err := Encode(with)
			if err != nil || Needs(b) != tc.want {
				t.Errorf("%T needs version %d, %v; want %d", tc.c, Needs(b), err, tc.want)
			}
		}
	}
	if Needs(nil) != 0 {
		t.Error("nothing needs a version")
	}
}
