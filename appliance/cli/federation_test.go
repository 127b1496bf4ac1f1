package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/ui/schema"
)

// An import that waits for other parts has imported nothing, and says so; one that moved back says where to go on.
func TestWhatAnImportLeavesToDo(t *testing.T) {
	var done schema.ImportResult
	_, a, out := newFleet(t, 1, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(done)
	})
	file := filepath.Join(t.TempDir(), "b.zst")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	waiting := schema.ImportResult{Waiting: &schema.BundleParts{Set: "s", Of: 3, Missing: []int{2, 3}}}
	rewound := schema.ImportResult{Success: true, OriginName: "hq", ImportedCursor: "A#0001", RewoundFrom: "B#0009", Counts: schema.ImportCounts{Deleted: 3}}
	for _, c := range []struct {
		args  string
		done  schema.ImportResult
		code  int
		says  string
		never string
	}{
		{"bundle import " + file, waiting, exitFailed, "1 of the 3 parts are here, and it waits for 2, 3; import those", "CREATED"},
		{"bundle import -o json " + file, waiting, exitFailed, `"success": false`, ""},
		{"bundle import -o json " + file, waiting, exitFailed, `"missing"`, ""},
		{"bundle import --force " + file, rewound, exitOK, "skerry bundle export -c 'A#0001'", ""},
		{"bundle import --force " + file, rewound, exitOK, "(3 advisory records removed), and must come again", ""},
		{"bundle import " + file, schema.ImportResult{Success: true, ImportedCursor: "A#0001"}, exitOK, "CREATED", "export"},
	} {
		done = c.done
		out.Reset()
		if code := a.run(t.Context(), strings.Fields(c.args)); code != c.code || !strings.Contains(out.String(), c.says) || c.never != "" && strings.Contains(out.String(), c.never) {
			t.Errorf("%s: exit code %d: %s", c.args, code, out)
		}
	}
}
