package enroll

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// What a folder is of is told before anything is written there, by its identity or else by its stores.
func TestFolderOfAnother(t *testing.T) {
	identity := func(kind model.MemberKind) string {
		b, err := model.Encode(stored{Version: identityVersion, Identity: Identity{Kind: kind, Name: "oslo"}})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	folders := map[string]struct {
		files map[string]string
		is    string
	}{
		"empty":                     {nil, ""},
		"a controller":              {map[string]string{"cluster/identity.json": identity(model.MemberController)}, "controller"},
		"an old controller":         {map[string]string{"node-id": "x"}, "controller"},
		"a site":                    {map[string]string{"identity/identity.json": identity(model.MemberSite), "outbox.db": "x"}, "site"},
		"a site before it enrolled": {map[string]string{"outbox.db": "x"}, "site"},
		"an agent":                  {map[string]string{"identity/identity.json": identity(model.MemberHost)}, "agent"},
		"a damaged identity":        {map[string]string{"identity/identity.json": "{"}, ""},
	}
	for name, f := range folders {
		data := t.TempDir()
		for file, text := range f.files {
			path := filepath.Join(data, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, kind := range []model.MemberKind{model.MemberController, model.MemberSite, model.MemberHost} {
			err := CheckFolder(data, kind)
			if f.is == "" || f.is == noun(kind) {
				if err != nil {
					t.Errorf("%s for a %s: %v", name, kind, err)
				}
				continue
			}
			if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), " "+f.is) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s for a %s: %v", name, kind, err)
			}
		}
	}
}
