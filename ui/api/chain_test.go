package api

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestABundleOfEverythingInSeveral: an origin that was restored sends all that it has in several bundles; behind the last, and not
// before, what none of them has is removed. Where one of them is not known any more, nothing is.
func TestABundleOfEverythingInSeveral(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("GHSA-%04d-1111-1111", n) }
	of := func(numbers ...int) (all []model.Advisory) {
		for _, n := range numbers {
			all = append(all, advisory("ghsa", id(n), nil, "npm", "a", "1"))
		}
		return all
	}
	ids := func(numbers ...int) (all []string) {
		for _, n := range numbers {
			all = append(all, id(n))
		}
		return all
	}
	for name, harm := range map[string]func(*rowRig, chain){
		"all of them": nil,
		"one of them forgotten": func(r *rowRig, c chain) {
			files, err := os.ReadDir(c.dir)
			if err != nil || len(files) != 2 {
				r.Fatalf("%v, %v", files, err)
			}
			if err := os.Remove(c.dir + "/" + files[0].Name()); err != nil {
				r.Fatal(err)
			}
		},
		"one of them damaged": func(r *rowRig, c chain) {
			files, _ := os.ReadDir(c.dir)
			if err := os.WriteFile(c.dir+"/"+files[1].Name(), []byte("{}\n123"), 0o600); err != nil {
				r.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			site := newBerlin(t)
			before := newRowRig(t, model.RoleController, model.NodeID{15: 50}, "us-east")
			before.puts(of(1, 2, 3, 4, 5, 6, 7, 8, 9))
			full := before.exported("")
			site.trusts(before.rig, "federation")
			read[schema.ImportResult](site.rig, site.imports(full, ""), 200)
			site.puts(of(20)) // of nobody else

			after := newRowRig(t, model.RoleController, before.self, "us-east") // with a key of its own, since the other is lost
			after.puts(of(1, 2, 3, 4, 5, 7))
			after.exported("")
			read[schema.Key](site.rig, site.do("POST", "/api/v1/keys/of-federation/revoke", `{"reason":"lost"}`), 200)
			pem := after.do("GET", "/api/v1/keys/federation/public", nil).Body.String()
			read[schema.Key](site.rig, site.do("POST", "/api/v1/keys/trust", schema.KeyTrust{Name: "after", Public: pem}), 200)
			from := ""
			for n := 1; ; n++ {
				w := after.do("GET", "/api/v1/federation/export?max_items=2&from="+escape(from), nil)
				if w.Code != 200 {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				c, err := site.server.chain(before.self)
				if err != nil {
					t.Fatal(err)
				}
				if n == 3 && harm != nil {
					harm(site, c)
				}
				query := ""
				if n == 1 {
					query = "force=true"
				}
				if got := site.named(); len(got) != 10 {
					t.Fatalf("before bundle %d the site has %v", n, got)
				}
				body := w.Body.Bytes()
				read[schema.ImportResult](site.rig, site.imports(body, query+"&dry_run=true"), 200)
				done := read[schema.ImportResult](site.rig, site.imports(body, query), 200)
				from = done.ImportedCursor
				if w.Header().Get("X-Skerry-More") == "" {
					want := ids(1, 2, 3, 4, 5, 7, 20)
					if harm != nil {
						want = ids(1, 2, 3, 4, 5, 6, 7, 8, 9, 20)
					}
					if got := site.named(); !slices.Equal(got, want) || n != 3 {
						t.Errorf("behind %d bundles the site has %v, want %v", n, got, want)
					}
					if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
						t.Errorf("what they named is still there: %v", err)
					}
					return
				}
			}
		})
	}
}

// TestAChainHasAnEnd: an origin that never comes to one does not fill the disk.
func TestAChainHasAnEnd(t *testing.T) {
	c := chain{t.TempDir() + "/chain"}
	at := func(n int) model.Cursor { return model.Cursor{At: model.Time(n), Seq: model.Seq(n)} }
	for n := range 3 {
		if err := c.add(at(n), at(n+1), []uint64{1, 2}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(c.dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%v %v", files, err)
	}
	var size int64
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	for name, x := range map[string]struct {
		files int
		bytes int64
		want  bool
	}{
		"as many as there may be": {4, size + 16, true},
		"a file more":             {3, size + 16, false},
		"a byte more":             {4, size + 15, false},
	} {
		if fits, err := c.fits(16, x.files, x.bytes); fits != x.want || err != nil {
			t.Errorf("%s: %v %v", name, fits, err)
		}
	}
	if err := os.Truncate(c.path(at(1)), chainMost); err != nil { // of holes
		t.Fatal(err)
	}
	if err := c.add(at(3), at(4), []uint64{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) || c.goesOn(at(3)) || c.goesOn(at(4)) {
		t.Errorf("the chain goes on: %v", err)
	}
}

// TestAForgottenOriginHasNoChain, whether its row had its id or a name.
func TestAForgottenOriginHasNoChain(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	for _, name := range []string{"us-east", east.self.String()} {
		r := newHQ(t)
		r.trusts(east.rig, "federation")
		if w := r.do("PUT", "/api/v1/federation/sites/"+name, "{}"); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		read[schema.ImportResult](r.rig, r.imports(full, ""), 200)
		c, err := r.server.chain(east.self)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.add(model.Cursor{}, model.Cursor{At: 1, Seq: 1}, nil); err != nil {
			t.Fatal(err)
		}
		if w := r.do("DELETE", "/api/v1/federation/sites/"+name, nil); w.Code >= 300 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
			t.Errorf("%s: it is still there: %v", name, err)
		}
	}
}
