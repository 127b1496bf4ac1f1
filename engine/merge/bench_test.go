package merge

import "testing"

func BenchmarkHead(b *testing.B) {
	c, records := trouble(b)
	b.ReportAllocs()
	for b.Loop() {
		Head(c.ID, records)
	}
}

func BenchmarkRegroup(b *testing.B) {
	_, records := trouble(b)
	h := map[string][]Record{}
	for _, a := range records {
		for _, id := range Identities(a) {
			h[id] = append(h[id], RecordOf(a))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Regroup(listed(h), []string{"CVE-2024-1000"}); err != nil {
			b.Fatal(err)
		}
	}
}

type listed map[string][]Record

// Having implements Names.
func (l listed) Having(id string, _ int) ([]Record, error) { return l[id], nil }
