package audit

import (
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func chainOf(t *testing.T, n int) []model.AuditEntry {
	t.Helper()
	var out []model.AuditEntry
	var last model.AuditEntry
	for i := range n {
		e, err := Chain(last, model.AuditEntry{
			At: model.Time(1000 + i), Actor: "system", Action: "test.step", OK: true,
			Detail: map[string]string{"b": "2", "a": "1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		out, last = append(out, e), e
	}
	return out
}

func verifyAll(es []model.AuditEntry) error {
	var last model.AuditEntry
	for _, e := range es {
		if err := Verify(last, e); err != nil {
			return err
		}
		last = e
	}
	return nil
}

func TestChainHolds(t *testing.T) {
	es := chainOf(t, 5)
	if err := verifyAll(es); err != nil {
		t.Fatal(err)
	}
	if es[0].Prev != "" || es[0].Seq != 1 || len(es[1].Prev) != 64 {
		t.Fatalf("first entries: %+v", es[:2])
	}
}

func TestChainShowsTampering(t *testing.T) {
	cases := map[string]func(es []model.AuditEntry) []model.AuditEntry{
		"changed actor":  func(es []model.AuditEntry) []model.AuditEntry { es[2].Actor = "account:mallory"; return es },
		"changed detail": func(es []model.AuditEntry) []model.AuditEntry { es[1].Detail["a"] = "9"; return es },
		"taken out":      func(es []model.AuditEntry) []model.AuditEntry { return append(es[:2], es[3:]...) },
		"swapped":        func(es []model.AuditEntry) []model.AuditEntry { es[1], es[2] = es[2], es[1]; return es },
	}
	for name, tamper := range cases {
		t.Run(name, func(t *testing.T) {
			if err := verifyAll(tamper(chainOf(t, 5))); !fault.Is(err, fault.Corrupt) {
				t.Fatalf("got %v, want a corruption error", err)
			}
		})
	}
}
