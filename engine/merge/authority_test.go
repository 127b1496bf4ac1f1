package merge

import (
	"reflect"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// A statement is judged by the packages that it is about, as an entry of affected packages is.
func TestJudgeStatements(t *testing.T) {
	const deb, npm, other = "pkg:deb/debian/curl@1", "pkg:npm/%40a/b", "pkg:generic/curl"
	no := model.StatementNotAffected
	from := func(source string, s ...model.Statement) model.Advisory {
		return model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: source, ID: "V-1"}, Statements: s}
	}
	say := func(outside bool, products ...string) model.Statement {
		return model.Statement{Products: products, Status: no, Outside: outside}
	}
	rows := map[string][]string{"acme": {"*"}, "npm-only": {"npm"}}
	for _, c := range []struct {
		name string
		a    model.Advisory
		want []model.Statement
	}{
		{"a distribution of its own", from("debian", say(false, deb)), []model.Statement{say(false, deb)}},
		{"anybody of Debian's", from("vendor", say(false, deb)), []model.Statement{say(true, deb)}},
		{"another type, escaped and in capitals", from("vendor", say(false, "pkg:/DEB/%64ebian/curl")), []model.Statement{say(true, "pkg:/DEB/%64ebian/curl")}},
		{"the operator's own", from("local", say(false, deb, npm)), []model.Statement{say(false, deb, npm)}},
		{"one that an operator lets speak for all", from("acme", say(true, deb, npm)), []model.Statement{say(false, deb, npm)}},
		{"of both sorts", from("npm-only", say(false, npm), say(false, deb, npm, other), say(true, npm)), []model.Statement{
			say(false, npm), say(false, npm, other), say(true, deb), say(false, npm),
		}},
		{"of no ecosystem", from("vendor", say(false, other, "curl 1.0")), []model.Statement{say(false, other, "curl 1.0")}},
		{"of nothing", from("vendor", say(false)), []model.Statement{say(false)}},
	} {
		was := slices.Clone(c.a.Statements)
		got := Judge(c.a, rows)
		if !reflect.DeepEqual(got.Statements, c.want) {
			t.Errorf("%s: %+v", c.name, got.Statements)
		}
		if !reflect.DeepEqual(c.a.Statements, was) {
			t.Errorf("%s: the argument was changed to %+v", c.name, c.a.Statements)
		}
		if again := Judge(got, rows); !reflect.DeepEqual(again, got) {
			t.Errorf("%s: judged again: %+v", c.name, again.Statements)
		}
		for _, d := range FieldDifferences(c.a, Judge(c.a, map[string][]string{c.a.Source: {"npm"}})) {
			if len(got.Statements) == len(was) && len(was[0].Products) == 1 {
				t.Errorf("%s: what this server thinks of it is a difference: %+v", c.name, d)
			}
		}
	}
}

func TestSpeakers(t *testing.T) {
	all := Speakers(map[string][]string{"acme": {"npm"}, "debian": {"*"}, "ubuntu": nil})
	at := func(source string) Speaks {
		i := slices.IndexFunc(all, func(s Speaks) bool { return s.Source == source })
		if i < 0 {
			t.Fatalf("%s is not among them", source)
		}
		return all[i]
	}
	if a, d, u := at("acme"), at("debian"), at("ubuntu"); a.Built || d.Built || !slices.Equal(d.Ecosystems, []string{"*"}) || !u.Built || len(u.Ecosystems) != 1 {
		t.Errorf("%+v %+v %+v", a, d, u)
	}
	if !slices.IsSortedFunc(all, func(a, b Speaks) int { return map[bool]int{true: -1, false: 1}[a.Source < b.Source] }) {
		t.Error("they are not in order")
	}
}
