package hub

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/health"
)

// What a member that was removed is told is what its end knows a removal by, and nothing else is, whatever the reason says.
func TestAMemberKnowsThatItWasRemoved(t *testing.T) {
	for _, tc := range []struct {
		status model.MemberStatus
		reason string
		want   bool
	}{
		{model.MemberRemoved, "", true},
		{model.MemberRemoved, `it "is" no more`, true},
		{model.MemberSuspended, `the other "is removed here`, false},
		{model.MemberQuarantined, "", false},
		{model.MemberPending, "", false},
	} {
		text := Standing(model.Member{Kind: model.MemberSite, Name: "oslo", Status: tc.status, Reason: tc.reason}).Error()
		if health.RemovedText("admit: "+text) != tc.want {
			t.Errorf("of %q it is taken as a removal: %v", text, !tc.want)
		}
	}
	if health.RemovedText("the other side is 01a2 (\"hq\"), but this node enrolled at 01a3") {
		t.Error("another refusal is taken for a removal")
	}
}
