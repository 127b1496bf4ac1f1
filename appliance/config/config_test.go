package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	_ "time/tzdata" // as the program has

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write what is printed into the golden files")

// TestGolden loads each file of testdata and compares what comes out: the settings in force, as
// printed, or the error. $DIR stands for the folder of the file.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) < 30 {
		t.Fatalf("found %d golden files (%v)", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, file := t.TempDir(), ""
			env := map[string]string{}
			var want *txtar.File
			for i := range archive.Files {
				f := &archive.Files[i]
				switch f.Name {
				case "want":
					want = f
				case "env":
					for line := range strings.Lines(string(f.Data)) {
						k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
						env[k] = v
					}
				default:
					file = filepath.Join(dir, f.Name)
					if err := os.WriteFile(file, f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, err := run(name, file, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
			bad := strings.HasPrefix(name, "bad-") || strings.HasPrefix(name, "agent-bad-")
			if bad != (err != nil) {
				t.Errorf("error is %v, but the name of the file says bad=%v", err, bad)
			}
			if err != nil {
				if !fault.Is(err, fault.Invalid) {
					t.Errorf("kind is %s, want invalid", fault.KindOf(err))
				}
				got = err.Error() + "\n"
			}
			got = strings.ReplaceAll(got, dir, "$DIR")
			if *rewrite {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want.Data) {
				t.Errorf("got\n%s\nwant\n%s", got, want.Data)
			}
		})
	}
}

func run(name, file string, env Lookup) (string, error) {
	if strings.HasPrefix(name, "agent-") {
		c, err := LoadAgentWith(file, env)
		if err != nil {
			return "", err
		}
		b, err := PrintAgent(c)
		return string(b), err
	}
	c, err := LoadWith(file, env)
	if err != nil {
		return "", err
	}
	b, err := Print(c)
	return string(b), err
}

// What Print gives, Load reads as the same settings, with the defaults said.
func TestPrintRoundTrip(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	for _, role := range []model.Role{model.RoleController, model.RoleSite} {
		c := Default(role)
		if err := c.Validate(); err != nil {
			t.Fatalf("the defaults of a %s are refused: %v", role, err)
		}
		c.Names, c.Web = []string{"a.example", "::1"}, Web{"/c.pem", "/k.pem"}
		c.Federation.Webhook.URL = "https://hooks.example/x"
		b, err := Print(c)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := LoadWith(path, none)
		if err != nil || !reflect.DeepEqual(again, c.inForce()) {
			t.Errorf("%s: got %+v (%v), want %+v", role, again, err, c.inForce())
		}
	}
}

func TestPathsAreAbsolute(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(path, []byte("role: site\ndata: keep\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadWith(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "keep"); c.Data != want || c.Socket != filepath.Join(want, socketName) {
		t.Errorf("data %s, socket %s, want both under %s", c.Data, c.Socket, want)
	}
	t.Chdir(dir)
	c, err = LoadWith(path, func(k string) (string, bool) { return "elsewhere", k == "SKERRY_DATA" })
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != filepath.Join(dir, "elsewhere") {
		t.Errorf("data is %s, want it from the working folder", c.Data)
	}
}

func TestNoFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "absent.yaml"))
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(t.TempDir()); !fault.Is(err, fault.Invalid) {
		t.Errorf("a folder: got %v", err)
	}
	big := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a huge file: got %v", err)
	}
}

func TestValidateWithoutFile(t *testing.T) {
	c := Default("federator")
	err := c.Validate()
	if !fault.Is(err, fault.Invalid) || err.Error() != "role: federator: want controller or site" {
		t.Errorf("got %v", err)
	}
	var p problem
	if !errors.As(err, &p) || p.key != "role" {
		t.Errorf("the key is lost in %v", err)
	}
}

// What fetched records are of decides what they may speak for, so it does not go by the name that an operator gave the place.
func TestWhatSourcesAreOf(t *testing.T) {
	a := Advisories{Sources: []AdvisorySource{
		{Name: "mirror", Kind: "osv", URL: "https://example.com/all.zip"},
		{Name: "mine", Kind: "osv", URL: "https://example.com/all.zip", Source: "debian"},
		{Name: "folder", Kind: "osv", Path: "/srv/osv"},
		{Name: "k", Kind: "kev", URL: "https://example.com/kev.json"},
		{Name: "vendor", Kind: "csaf", URL: "https://example.com/csaf.zip"},
	}}
	for i, want := range []string{"osv", "debian", "", "cisa-kev", "vendor"} {
		if got := a.Pull()[i]; got.Of != want {
			t.Errorf("%s is of %q, want %q", got.Name, got.Of, want)
		}
	}
}
