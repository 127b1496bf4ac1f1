package enroll

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func TestIdentityOnDisk(t *testing.T) {
	u := newUpper(t, model.RoleController)
	fresh := func() (string, Identity) {
		dir := t.TempDir()
		key, err := OpenKey(dir)
		if err != nil {
			t.Fatal(err)
		}
		id, err := u.join(t, u.invite(t, model.MemberSite, "north"), key)
		if err != nil {
			t.Fatal(err)
		}
		if err := SaveIdentity(dir, id); err != nil {
			t.Fatal(err)
		}
		return dir, id
	}
	dir, id := fresh()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if err := SaveIdentity(t.TempDir(), id); !fault.Is(err, fault.Conflict) {
		t.Errorf("stored beside another key: %v", err)
	}
	replace := func(old, new string) func(string) error {
		return func(dir string) error {
			path := filepath.Join(dir, identityFile)
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text := strings.Replace(string(b), old, new, 1)
			if text == string(b) {
				return errors.New("nothing to replace: " + old)
			}
			return os.WriteFile(path, []byte(text), 0o600)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		kind  fault.Kind
	}{
		{"newer version", replace(`"version":1`, `"version":2`), fault.Version},
		{"cut off", replace(`"epoch"`, ``), fault.Corrupt},
		{"no epoch", replace(`"epoch":1`, `"epoch":0`), fault.Corrupt},
		{"damaged certificate", replace("BEGIN CERTIFICATE", "BEGIN CERTIFICATF"), fault.Corrupt},
		{"key lost", func(dir string) error { return os.Remove(filepath.Join(dir, keyFile)) }, fault.Corrupt},
		{"key open to all", func(dir string) error { return os.Chmod(filepath.Join(dir, keyFile), 0o640) }, fault.Denied},
		{"another key", func(dir string) error {
			if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
				return err
			}
			_, err := OpenKey(dir)
			return err
		}, fault.Corrupt},
		{"huge", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, identityFile), make([]byte, maxIdentity+1), 0o600)
		}, fault.Corrupt},
	} {
		dir, _ := fresh()
		if err := c.spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadIdentity(dir); !fault.Is(err, c.kind) {
			t.Errorf("%s: got kind %s: %v", c.name, fault.KindOf(err), err)
		}
	}
}
