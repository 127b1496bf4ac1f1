package api

import (
	"fmt"
	"testing"

	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/ui/schema"
)

// What a path names is what was escaped in it, however much of it a client escapes.
func TestEscapedPaths(t *testing.T) {
	r := newHQ(t)
	r.ingest(packed(t, records(1, "8.0")))
	all := read[schema.Canonicals](r.rig, r.do("GET", "/api/v1/advisories", nil), 200)
	id := all.Canonicals[0].ID
	for _, path := range []string{merge.Hash(id), "sha256%3A" + merge.Hash(id)[len("sha256:"):], fmt.Sprintf("%%%02X", id[0]) + id[1:], id} {
		if c := read[schema.Canonical](r.rig, r.do("GET", "/api/v1/advisories/"+path, nil), 200); c.ID != id {
			t.Errorf("%s: %s", path, c.ID)
		}
	}
}
