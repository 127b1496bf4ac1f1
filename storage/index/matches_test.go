package index

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func lookupOf(name string) model.Lookup {
	return model.Lookup{Ecosystem: "Debian:12", Name: name, Source: name, Version: "1"}
}

func judgedOf(name string, vulnerabilities ...string) model.Judged {
	j := model.Judged{ID: lookupOf(name).ID(), Lookup: lookupOf(name), At: 5, Findings: []model.Finding{}}
	for _, v := range vulnerabilities {
		j.Findings = append(j.Findings, model.Finding{Vulnerability: v, Advisory: model.AdvisoryKey{Source: "a", ID: v}, Severity: model.SeverityHigh, Verdict: model.VerdictAffected})
	}
	return j
}

// A match of parts is put together from what is found of each; a head alone leaves the parts; what is gone is damage, not "no findings".
func TestMatchOfParts(t *testing.T) {
	s := openMem(t)
	m := model.Match{Digest: "d", Generation: 3, PartN: 2, Parts: []model.MatchPart{
		{Lookup: lookupOf("curl").ID(), Packages: []string{"curl", "libcurl4"}}, {Lookup: lookupOf("zlib").ID(), Packages: []string{"zlib1g"}},
	}}
	write(t, s, func(tx *Tx) {
		ok(t, tx.PutJudged(judgedOf("curl", "CVE-2", "CVE-1")))
		ok(t, tx.PutJudged(judgedOf("zlib", "CVE-1")))
		ok(t, tx.PutMatch(m))
	})
	listed := func() (out []string) {
		v := s.View()
		defer v.Close()
		m, found, err := v.Match("d")
		if err != nil || !found || m.Parts != nil {
			t.Fatal(m.Parts, found, err)
		}
		for _, f := range m.Findings {
			out = append(out, fmt.Sprint(f.Vulnerability, " ", f.Package, " ", f.Source, " ", f.Version))
		}
		return out
	}
	want := []string{"CVE-1 curl curl 1", "CVE-1 libcurl4 curl 1", "CVE-1 zlib1g zlib 1", "CVE-2 curl curl 1", "CVE-2 libcurl4 curl 1"}
	if got := listed(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	head := m
	head.Parts, head.Generation, head.Counts = nil, 4, model.SeverityCounts{High: 2}
	write(t, s, func(tx *Tx) { ok(t, tx.PutMatchHead(head)); ok(t, tx.PutJudged(judgedOf("curl"))) })
	if got := listed(); !slices.Equal(got, []string{"CVE-1 zlib1g zlib 1"}) {
		t.Errorf("after another judgement %q", got)
	}
	v := s.View()
	back, found, err := v.MatchParts("d")
	ok(t, err)
	if !found || back.Generation != 4 || back.Counts.High != 2 || !reflect.DeepEqual(back.Parts, m.Parts) {
		t.Errorf("%+v", back)
	}
	var all, of []string
	ok(t, v.EachJudged(func(j model.Judged) error { all = append(all, j.Lookup.Name); return nil }))
	ok(t, v.EachJudgedOf("CVE-1", func(j model.Judged) error { of = append(of, j.Lookup.Name); return nil }))
	ok(t, v.EachJudgedOf("CVE", func(j model.Judged) error { of = append(of, "part of a name: "+j.Lookup.Name); return nil }))
	slices.Sort(all)
	if !slices.Equal(all, []string{"curl", "zlib"}) || !slices.Equal(of, []string{"zlib"}) {
		t.Errorf("all %q, of one vulnerability %q", all, of)
	}
	ok(t, v.Close())
	sound(t, s)
	write(t, s, func(tx *Tx) { ok(t, tx.DeleteJudged(lookupOf("zlib").ID())); ok(t, tx.DeleteJudged("none")) })
	v = s.View()
	defer v.Close()
	if _, _, err := v.Match("d"); !fault.Is(err, fault.Corrupt) {
		t.Errorf("a part that is gone: %v", err)
	}
	if _, found, err := v.Judged(lookupOf("zlib").ID()); found || err != nil {
		t.Errorf("%v %v", found, err)
	}
}
