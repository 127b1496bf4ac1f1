package api

import (
	"regexp"
	"slices"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/model"
)

// TestEveryPlaceInAPathIsRead: what stands in braces in the path of an operation is a parameter of it. A field of an
// embedded type whose name is not exported is none.
func TestEveryPlaceInAPathIsRead(t *testing.T) {
	s := New(Config{Role: model.RoleController, Version: "test"})
	n := 0
	for path, item := range s.api.OpenAPI().Paths {
		for _, place := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
			for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
				if op == nil {
					continue
				}
				n++
				if !slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "path" && p.Name == place[1] }) {
					t.Errorf("%s: the operation %s does not read %q", path, op.OperationID, place[1])
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d places were looked at", n)
	}
}
