package probe

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// An rpm that knows module streams is asked for them, and one that does not is asked again without.
func TestModuleStreamsAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		name, script, want string
	}{
		{"new", `case "$3" in *MODULARITYLABEL*) printf 'nodejs\t1\t16.1\t3.module_el8\tx86_64\tnodejs-16.1-3.module_el8.src.rpm\tnodejs:16:80:ab\nbash\t(none)\t5\t1\tx86_64\t(none)\t(none)\n';; *) exit 3;; esac`, "nodejs:16"},
		{"old", `case "$3" in *MODULARITYLABEL*) echo 'error: incorrect format: unknown tag: "MODULARITYLABEL"' >&2; exit 1;; *) printf 'nodejs\t1\t16.1\t3.module_el8\tx86_64\tnodejs-16.1-3.module_el8.src.rpm\nbash\t(none)\t5\t1\tx86_64\t(none)\n';; esac`, ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "rpm"), []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := runRPM(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		list, err := parseRPM(string(out))
		want := []model.Package{
			{Manager: "rpm", Name: "nodejs", Version: "1:16.1-3.module_el8", Arch: "x86_64", Source: "nodejs", SourceVersion: "1:16.1-3.module_el8", Module: c.want},
			{Manager: "rpm", Name: "bash", Version: "5-1", Arch: "x86_64"},
		}
		if err != nil || !slices.Equal(list, want) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, list, err, want)
		}
	}
	for label, want := range map[string]string{"": "", "a": "", "a:b": "", "virt:rhel:8:9": "virt:rhel", ":b:c": "", "a::c": ""} {
		if got := moduleStream(label); got != want {
			t.Errorf("%q is of stream %q, want %q", label, got, want)
		}
	}
}
