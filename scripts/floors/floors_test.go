package floors

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestHouse holds ARCHITECTURE.md against this module.
func TestHouse(t *testing.T) {
	problems, err := Check("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// plan is a small ARCHITECTURE.md; rows stand between its two tables' heads.
func plan(rows ...string) string {
	var s strings.Builder
	s.WriteString("# X\n\n| package | floor | duty |\n|---|---|---|\n")
	for _, r := range rows {
		s.WriteString(r + "\n")
	}
	return s.String() + "\ntext\n\n| library | only in |\n|---|---|\n| `example.org/pebble` | `storage/index` |\n"
}

// tree is a module that agrees with its ARCHITECTURE.md. Each case below breaks one thing in it.
func tree() map[string]string {
	return map[string]string{
		"go.mod": "module example.com/x\n\ngo 1.26\n",
		"ARCHITECTURE.md": plan("| `engine/model` | F0 | nouns |", "| `engine/apply` | F2 | the switch |", "| `storage/index` | F3 | rows |",
			"| `sync/hub` | F4 | the upper end |", "| `sync/linktest` | F5 | faults (tests only) |", "| `ui/api` | F4 | handlers |"),
		"engine/model/model.go": "// Package model is.\npackage model\n\ntype ID int\n",
		"engine/apply/apply.go": "// Package apply is.\npackage apply\n\nimport (\n\t\"slices\"\n\t\"time\"\n\n\t\"example.com/x/engine/model\"\n)\n\n" +
			"func A(m map[model.ID]int, at time.Time) (ids []model.ID, n int) {\n\tfor id, v := range m {\n\t\tif v > 0 {\n\t\t\tids = append(ids, id)\n\t\t\tn += v\n\t\t}\n\t}\n\tslices.Sort(ids)\n\treturn ids, n + at.Year()\n}\n",
		"storage/index/index.go":    "// Package index is.\npackage index\n\nimport (\n\t\"os\"\n\t\"sync\"\n\n\t\"example.com/x/engine/apply\"\n)\n\nvar Mu sync.Mutex\n\nfunc F() { _, _ = apply.A(nil, statted()) }\n\nfunc G() { go os.Exit(1) }\n",
		"storage/index/now.go":      "package index\n\nimport \"time\"\n\nfunc statted() time.Time { return time.Now() }\n",
		"sync/hub/hub.go":           "// Package hub is.\npackage hub\n\nimport \"example.com/x/engine/model\"\n\nvar ID model.ID\n",
		"sync/hub/hub_test.go":      "package hub_test\n\nimport (\n\t\"testing\"\n\n\t_ \"example.com/x/storage/index\"\n\t_ \"example.com/x/sync/linktest\"\n\t_ \"example.com/x/ui/api\"\n)\n\nfunc TestX(t *testing.T) {}\n",
		"sync/linktest/linktest.go": "// Package linktest is.\npackage linktest\n",
		"ui/api/api.go":             "// Package api is.\npackage api\n",
		"ui/web/node_modules/x.go":  strings.Repeat("//\n", 600), // not ours
		"tools/go.mod":              "module example.com/x/tools\n",
		"tools/sync/tool.go":        "package tool\n",
	}
}

func build(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// offline keeps the go command away from the network and from this machine's settings.
func offline(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOWORK", "off")
	t.Setenv("GO111MODULE", "on")
}

func TestAgrees(t *testing.T) {
	offline(t)
	problems, err := Check(build(t, tree()))
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) > 0 {
		t.Errorf("a tree without fault is reported: %q", problems)
	}
}

// TestReports shows that the check can fail. Each case breaks one thing; those that leave the others
// alone share a tree, because every tree costs calls of the go command.
func TestReports(t *testing.T) {
	offline(t)
	const apply, index, hub, api = "engine/apply/apply.go", "storage/index/index.go", "sync/hub/hub.go", "ui/api/api.go"
	// with puts a file of its own, FILE, with imports and code beside a file of the tree.
	with := func(file, imports, code string) func(map[string]string) {
		return func(f map[string]string) {
			f[filepath.Dir(file)+"/FILE"] = "package " + filepath.Base(filepath.Dir(file)) + "\n\nimport (\n" + imports + "\n)\n\n" + code + "\n"
		}
	}
	engine := func(imports, code string) func(map[string]string) { return with(apply, imports, code) }
	use := func(path string) string { return "\t_ \"" + path + "\"" }
	type breaks map[string]struct {
		edit func(map[string]string)
		want string
	}
	for i, cases := range []breaks{{
		"upwards":             {with(index, use("example.com/x/sync/linktest"), ""), "storage/index: imports sync/linktest, which only tests may"},
		"to its own floor":    {with(hub, use("example.com/x/ui/api"), ""), "sync/hub (F4): imports ui/api (F4); only lower floors"},
		"sync to storage":     {with(hub, use("example.com/x/storage/index"), ""), "sync/hub: imports storage/index; nothing in sync/ may"},
		"ui to storage":       {with(api, use("example.com/x/storage/index"), ""), "ui/api: imports storage/index; nothing in ui/ may"},
		"foreign library":     {with(hub, use("example.org/pebble/v2/vfs"), ""), "sync/hub: imports example.org/pebble/v2/vfs; only storage/index may"},
		"library in a test":   {func(f map[string]string) { f["ui/api/x_test.go"] = "package api\n\nimport _ \"example.org/pebble\"\n" }, "ui/api: imports example.org/pebble; only storage/index may"},
		"no row":              {func(f map[string]string) { f["engine/policy/p.go"] = "// Package policy is.\npackage policy\n" }, "engine/policy: has no row in the floor table"},
		"no comment":          {func(f map[string]string) { f[api] = "package api\n" }, "ui/api: has no package comment"},
		"engine file system":  {engine(use("os"), ""), "engine/apply: imports os; engine/ only computes"},
		"engine network":      {engine(use("net/http"), ""), "engine/apply: imports net/http; engine/ only computes"},
		"engine randomness":   {engine(use("math/rand/v2"), ""), "engine/apply: imports math/rand/v2; engine/ only computes"},
		"engine crypto/rand":  {engine(use("crypto/rand"), ""), "engine/apply: imports crypto/rand; engine/ only computes"},
		"engine lock":         {engine(use("sync"), ""), "engine/apply: imports sync; engine/ only computes"},
		"engine log":          {engine(use("log"), ""), "engine/apply: imports log; engine/ only computes"},
		"engine goroutine":    {engine("", "func _() { go func() {}() }"), "engine/apply/FILE:7: starts a goroutine"},
		"engine clock":        {engine("\t\"time\"", "func _() time.Time { return time.Now() }"), "engine/apply/FILE:7: uses time.Now"},
		"engine clock, quiet": {engine("\tt \"time\"", "var _ = t.Now"), "engine/apply/FILE:7: uses time.Now"},
		"engine sleep":        {engine("\t\"time\"", "func _() { time.Sleep(1) }"), "engine/apply/FILE:7: uses time.Sleep"},
		"map order, returned": {engine("", "func _(m map[string]int) string { for k := range m { return k }; return \"\" }"), "engine/apply/FILE:7: depends on the order of a map"},
		"map order, unsorted": {engine("", "func _(m map[string]int) (s []string) { for k := range m { s = append(s, k) }; return s }"), "engine/apply/FILE:7: depends on the order of a map"},
		"map order, named":    {engine("", "type M map[string]int\n\nfunc _(m M, f func(string)) { for k := range m { f(k) } }"), "engine/apply/FILE:9: depends on the order of a map"},
		"map order, text":     {engine("", "func _(m map[string]int) (s string) { for k := range m { s += k }; return s }"), "engine/apply/FILE:7: depends on the order of a map"},
		"map order, last one": {engine("", "func _(m map[string]int) (s string) { for k := range m { s = k }; return s }"), "engine/apply/FILE:7: depends on the order of a map"},
		"maps.Keys":           {engine("\t\"maps\"\n\t\"slices\"", "func _(m map[string]int) []string { return slices.Collect(maps.Keys(m)) }"), "engine/apply/FILE:8: depends on the order of a map: wrap maps.Keys"},
		"file in sync":        {func(f map[string]string) { f["sync/sync.go"] = "// Package sync is.\npackage sync\n" }, "sync/sync.go: no Go file stands directly in sync/"},
		"ignored in sync":     {func(f map[string]string) { f["sync/gen.go"] = "//go:build ignore\n\npackage main\n" }, "sync/gen.go: no Go file stands directly in sync/"},
		"standard child":      {func(f map[string]string) { f["image/png/png.go"] = "// Package png is.\npackage png\n" }, "image/png: has the name of a standard package"},
		"standard name":       {func(f map[string]string) { f["sync/errors/e.go"] = "// Package errors is.\npackage errors\n" }, "sync/errors: has the name of a standard package"},
		"long file":           {func(f map[string]string) { f["ui/api/long.go"] = "package api\n" + strings.Repeat("//\n", 500) }, "ui/api/long.go: has 501 lines, more than 500"},
		"long test":           {func(f map[string]string) { f["sync/hub/hub_test.go"] += strings.Repeat("//\n", 500) }, "sync/hub/hub_test.go: has"},
	}, {
		"to a higher floor": {with("engine/model/model.go", use("example.com/x/engine/apply"), ""), "engine/model (F0): imports engine/apply (F2)"},
		"no package":        {func(f map[string]string) { delete(f, api) }, "ui/api is in the floor table and does not exist"},
		"cgo":               {func(f map[string]string) { f["sync/hub/c.go"] = "package hub\n\nimport \"C\"\n" }, "sync/hub: c.go uses cgo"},
	}} {
		files, wants := tree(), map[string]string{}
		for n, name := range slices.Sorted(maps.Keys(cases)) {
			file := fmt.Sprintf("more%d.go", n)
			wants[name] = strings.ReplaceAll(cases[name].want, "FILE", file)
			cases[name].edit(files)
			for f, body := range files {
				if path, ok := strings.CutSuffix(f, "FILE"); ok {
					delete(files, f)
					files[path+file] = body
				}
			}
		}
		if i == 1 {
			t.Setenv("CGO_ENABLED", "1")
		}
		problems, err := Check(build(t, files))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range wants {
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
				t.Errorf("%s: not reported: %q; only %q", name, want, problems)
			}
		}
	}
}

// TestSpared says what looks like a fault and is none.
func TestSpared(t *testing.T) {
	offline(t)
	files := tree()
	for _, edit := range map[string]func(map[string]string){
		"generated": func(f map[string]string) {
			f["ui/api/api.go"] += "// Code generated by x. DO NOT EDIT.\n" + strings.Repeat("//\n", 500)
		},
		"engine test": func(f map[string]string) {
			f["engine/model/m_test.go"] = "package model\n\nimport _ \"os\"\n\nfunc init() { go func() {}() }\n"
		},
		"own part": func(f map[string]string) {
			f["storage/index/part/p.go"] = "// Package part is.\npackage part\n"
			f["storage/index/p.go"] = "package index\n\nimport _ \"example.com/x/storage/index/part\"\n"
		},
		"net/netip": func(f map[string]string) { f["engine/apply/n.go"] = "package apply\n\nimport _ \"net/netip\"\n" },
		"sorted keys": func(f map[string]string) {
			f["engine/apply/k.go"] = "package apply\n\nimport (\n\t\"maps\"\n\t\"slices\"\n)\n\nfunc K(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }\n"
		},
	} {
		edit(files)
	}
	if problems, err := Check(build(t, files)); err != nil || len(problems) > 0 {
		t.Errorf("reported: %q, %v", problems, err)
	}
}

func TestReadPlan(t *testing.T) {
	row := "| `engine/model` | F0 | nouns |"
	for name, tc := range map[string]struct{ text, want string }{
		"no table":   {"# nothing here\n", "has no table headed"},
		"no floor":   {plan("| `a` | zero | x |"), ":5: want | package | F0 | duty |"},
		"no duty":    {plan(row, "| `a` | F1 | |"), ":6: want | package | F0 | duty |"},
		"twice":      {plan(row, row), ":6: engine/model stands in the table twice"},
		"no library": {strings.ReplaceAll(plan(row), "`storage/index`", ""), "want | library | only in |"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadPlan(filepath.Join(build(t, map[string]string{"A.md": tc.text}), "A.md"))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
