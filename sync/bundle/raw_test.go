package bundle

import (
	"bytes"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Records as they are stored make the very bundle that decoded ones make, whoever brought them and whatever stands in them.
func TestRawRecordsMakeTheSameBundle(t *testing.T) {
	changes := testChanges(60)
	for i := range changes {
		a := changes[i].Advisory
		if a == nil {
			continue
		}
		switch i % 5 {
		case 0:
			a.Origin = testOrigin
		case 1:
			a.Summary = `it says ,"origin":"` + testOrigin.String() + `"}`
		case 2:
			a.Statements = []model.Statement{{Products: []string{"pkg:deb/x"}, Status: model.StatementFixed, Note: `}"`}}
			a.Origin = testOrigin
		case 3:
			changes[i].Canonical = ""
			a.Origin, a.Also = testOrigin, []model.NodeID{testOrigin, {}}
			if i%2 == 0 {
				a.Origin, a.Also = model.NodeID{}, []model.NodeID{testOrigin}
			}
		case 4:
			a.Summary = `it says ,"also":["` + testOrigin.String() + `"]}`
			a.Aliases = []string{`,"also":["`}
		}
	}
	want := write(t, testConfig(t, changes))
	raw := make([]model.AdvisoryChange, len(changes))
	for i, c := range changes {
		raw[i] = model.AdvisoryChange{Key: c.Key, Cursor: c.Cursor, Canonical: c.Canonical}
		if c.Advisory == nil {
			continue
		}
		row := *c.Advisory
		row.AdvisoryKey, row.Cursor = c.Key, c.Cursor
		b, err := model.Encode(row)
		if err != nil {
			t.Fatal(err)
		}
		raw[i].Raw = b
	}
	if got := write(t, testConfig(t, raw)); !bytes.Equal(got, want) {
		for i := range changes {
			_, a, _ := encodeLine(changes[i])
			_, b, _ := encodeLine(raw[i])
			if !bytes.Equal(a, b) {
				t.Errorf("%s\nwant\n%s", b, a)
			}
		}
		t.Fatal("another bundle")
	}
	for _, bad := range []string{"", "x", `{"source":"s"`} {
		if _, _, err := encodeLine(model.AdvisoryChange{Raw: []byte(bad)}); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
