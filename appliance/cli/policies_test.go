package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/policy"
)

// What the page about policies shows is a policy.
func TestPolicyOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("there is no policy on the page")
	}
	a := &app{in: strings.NewReader(text)}
	b, err := a.policyFile("-")
	if err != nil {
		t.Fatal(err)
	}
	x, err := policy.Read(model.Policy{Name: b.Name, Kind: model.PolicyKind(b.Kind), Where: b.Where, Body: jsontext.Value(b.Body)})
	if err != nil || x.Checks() != 4 || !b.AllSites {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestPolicyFileRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, says string }{
		"no YAML":        {"name: [", "-:"},
		"unknown member": {"name: a\nbodi: {}\n", "bodi"},
		"wrong type":     {"name: {a: 1}\n", "name"},
		"large":          {strings.Repeat("#", maxPolicyFile+1), "is it the right file?"},
	} {
		a := &app{in: strings.NewReader(tc.text)}
		if _, err := a.policyFile("-"); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
