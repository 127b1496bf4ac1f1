package query

import (
	"fmt"
	"testing"
)

func TestChosen(t *testing.T) {
	for _, c := range []struct {
		text         string
		empty, found string // which values are in doubt where nothing was found, and where something was
	}{
		{"status:down reboot:yes severity:high simulated:no web name:x ip:10.0.0.1 updates:>3", "", ""},
		{"site:berlin", "site:berlin", ""},
		{"site:berlin -tag:lab", "site:berlin tag:lab", "tag:lab"},
		{"site:a,b status:up", "site:a site:b", "site:a site:b"},
		{"region:eu-* or (country:de city:berlin)", "region:eu-* country:de city:berlin", "region:eu-* country:de city:berlin"},
		{"owner:* tag:pci", "tag:pci", ""},
		{"os:debian>=12", "os:debian", ""},
		{`os:"debian 12"`, `os:"debian 12"`, ""},
		{"kernel:6.1.* kernel:<7 agent:2.4", "kernel:6.1.* agent:2.4", ""},
		{"arch:amd64", "", ""},
		{"arch:sparc", "arch:sparc", ""},
	} {
		x, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		for found, want := range map[bool]string{false: c.empty, true: c.found} {
			got := ""
			for i, y := range Chosen(x, found) {
				if i > 0 {
					got += " "
				}
				got += Format(y)
			}
			if got != want {
				t.Errorf("%s, found %v: %q, want %q", c.text, found, got, want)
			}
		}
	}
}

// What a note points at can be replaced by each of its suggestions, and then reads.
func TestNoteNobody(t *testing.T) {
	values := []string{"eu-west", "eu-north", "us-east", "New York", "a*b", "sales"}
	systems := []string{"debian 12", "debian 11", "ubuntu 22.04", "Rocky 9"}
	for _, c := range []struct{ text, msg, then string }{
		{"region:eu-wset", "no host and no site has region:eu-wset", "[region:eu-west]"},
		{"status:up region:eu status:up", "no host and no site has region:eu", "[status:up region:eu* status:up status:up region:eu-north status:up status:up region:eu-west status:up]"},
		{"region = eu-wset", "no host and no site has region:eu-wset", "[region = eu-west]"},
		{"region:!eu-wset", "no host and no site has region:eu-wset", "[region:!eu-west]"},
		{"region!=eu-wset", "no host and no site has region:eu-wset", "[region!=eu-west]"},
		{"REGION:(us-east or eu-wset)", "no host and no site has region:eu-wset", "[REGION:(us-east or eu-west)]"},
		{"region:us-east,eu-wset", "no host and no site has region:eu-wset", "[region:us-east,eu-west]"},
		{"city:newyork", "no host and no site has city:newyork", `[city:"new york"]`},
		{"tag:east", "no host has tag:east", "[tag:us-east]"},
		{`tag:"a*"`, "", ""},
		{`tag:"a\*"`, `no host has tag:"a\*"`, `[tag:"a\*b"]`},
		{"tag:zzz*", "no host has tag:zzz*", "[]"},
		{"tag:nothing-like-it", "no host has tag:nothing-like-it", "[]"},
		{"os:debain>=12", "no host has os:debain", "[os:debian>=12]"},
		{"os:debain:12", "no host has os:debain", "[os:debian:12]"},
		{"os:rcoky", "no host has os:rcoky", "[os:rocky]"},
		{`os:"debian 13"`, `no host has os:"debian 13"`, `[os:"debian 11" os:"debian 12"]`},
	} {
		x, err := Parse(c.text)
		if err != nil {
			if c.msg != "" {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		from := values
		terms := Chosen(x, false)
		term := terms[len(terms)-1]
		if term.Field == FieldOS {
			from = systems
		}
		n := NoteNobody(c.text, term, from)
		then := []string{}
		for _, s := range n.Suggestions {
			text := c.text[:n.Pos] + s + c.text[n.End:]
			then = append(then, text)
			if _, err := Parse(text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
		if n.Msg != c.msg || fmt.Sprint(then) != c.then {
			t.Errorf("%s: %q %v, want %q %s", c.text, n.Msg, then, c.msg, c.then)
		}
	}
}
