package floors

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pure is the folder whose packages only compute.
const pure = "engine"

// impure lists the imports that reach a clock's neighbours, randomness, the file system, the network
// or other goroutines. A name that ends with /... stands for what is below it too.
var impure = []string{
	"os/...", "net/...", "log", "io/fs", "io/ioutil", "path/filepath", "embed", "sync/...", "syscall", "unsafe", "runtime/...",
	"math/rand/...", "crypto/rand", "maphash", "hash/maphash", "database/sql/...", "plugin", "testing/...",
}

// harmless lists what lies below impure names and only computes.
var harmless = []string{"net/netip", "net/url"}

// clock lists the functions of package time that read or wait for a clock.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

// checkPure judges what the non-test files of engine/ import and do.
func checkPure(dir, module string, packages []listed) ([]string, error) {
	var out []string
	var below []listed
	for _, p := range packages {
		if !under(p.path, pure) {
			continue
		}
		below = append(below, p)
		for _, imp := range p.Imports {
			for _, bad := range impure {
				top, whole := strings.CutSuffix(bad, "/...")
				if (imp == top || whole && under(imp, top)) && !slices.Contains(harmless, imp) {
					out = append(out, fmt.Sprintf("%s: imports %s; %s/ only computes", p.path, imp, pure))
				}
			}
		}
	}
	if len(below) == 0 {
		return out, nil
	}
	exports, err := exported(dir)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	imp := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if file, ok := exports[path]; ok {
			return os.Open(file)
		}
		return nil, fmt.Errorf("no export data for %s", path)
	})
	for _, p := range below {
		c := purity{fset: fset, dir: dir, out: &out, info: types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}}
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
		// What does not compile is the compiler's to report; what could be typed is judged all the same.
		conf := types.Config{Importer: imp, Error: func(error) {}}
		_, _ = conf.Check(p.ImportPath, fset, files, &c.info)
		for _, f := range files {
			c.file(f)
		}
	}
	return out, nil
}

// exported returns the compiled form of everything that engine/ imports.
func exported(dir string) (map[string]string, error) {
	packages, err := goList(dir, "-e", "-export", "-deps", "-json=ImportPath,Export", "./"+pure+"/...")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, p := range packages {
		if p.Export != "" {
			out[p.ImportPath] = p.Export
		}
	}
	return out, nil
}

// purity judges the syntax of one package.
type purity struct {
	fset *token.FileSet
	dir  string
	info types.Info
	out  *[]string
}

func (c *purity) bad(at ast.Node, format string, args ...any) {
	pos := c.fset.Position(at.Pos())
	rel, err := filepath.Rel(c.dir, pos.Filename)
	if err != nil {
		rel = pos.Filename
	}
	*c.out = append(*c.out, fmt.Sprintf("%s:%d: %s", filepath.ToSlash(rel), pos.Line, fmt.Sprintf(format, args...)))
}

func (c *purity) file(f *ast.File) {
	for _, d := range f.Decls {
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				c.bad(n, "starts a goroutine; %s/ only computes", pure)
			case *ast.SelectorExpr:
				if c.of(n.X) == "time" && slices.Contains(clock, n.Sel.Name) {
					c.bad(n, "uses time.%s; %s/ is told the time", n.Sel.Name, pure)
				}
			case *ast.RangeStmt:
				if !c.isMap(n.X) || c.orderFree(n.Body) && c.sorted(d, n.Body) {
					break
				}
				c.bad(n, "depends on the order of a map: collect the keys and sort them")
			case *ast.CallExpr:
				c.mapsCall(d, n)
			}
			return true
		})
	}
}

// mapsCall judges maps.Keys, Values and All: their order is that of the map unless they are sorted at once.
func (c *purity) mapsCall(d ast.Decl, call *ast.CallExpr) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || c.of(sel.X) != "maps" || !slices.Contains([]string{"Keys", "Values", "All"}, sel.Sel.Name) {
		return
	}
	wrapped := false
	ast.Inspect(d, func(n ast.Node) bool {
		outer, ok := n.(*ast.CallExpr)
		if ok && slices.Contains(outer.Args, ast.Expr(call)) {
			if s, ok := outer.Fun.(*ast.SelectorExpr); ok && c.of(s.X) == "slices" && strings.HasPrefix(s.Sel.Name, "Sorted") {
				wrapped = true
			}
		}
		return true
	})
	if !wrapped {
		c.bad(call, "depends on the order of a map: wrap maps.%s in slices.Sorted", sel.Sel.Name)
	}
}

// of returns the path of the package that an identifier names, or "".
func (c *purity) of(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok {
		if p, ok := c.info.Uses[id].(*types.PkgName); ok {
			return p.Imported().Path()
		}
	}
	return ""
}

func (c *purity) isMap(e ast.Expr) bool {
	t := c.info.Types[e].Type
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// orderFree reports whether a loop's body is made only of statements that come to the same in every order:
// counting and adding, writing into or deleting from a map, collecting into a slice (which must then be
// sorted, see sorted), going on, and conditions over those.
func (c *purity) orderFree(body *ast.BlockStmt) bool {
	for _, s := range body.List {
		switch s := s.(type) {
		case *ast.IncDecStmt:
		case *ast.BranchStmt:
			if s.Tok != token.CONTINUE {
				return false
			}
		case *ast.AssignStmt:
			if !c.commutes(s) {
				return false
			}
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); !ok || !isCall(call, "delete") {
				return false
			}
		case *ast.IfStmt:
			if !c.orderFree(s.Body) {
				return false
			}
			if s.Else != nil {
				if b, ok := s.Else.(*ast.BlockStmt); !ok || !c.orderFree(b) {
					return false
				}
			}
		default:
			return false
		}
	}
	return true
}

// commutes reports whether an assignment is one of n += x on numbers, m[k] = x, x := y, or s = append(s, x).
func (c *purity) commutes(s *ast.AssignStmt) bool {
	switch s.Tok {
	case token.DEFINE:
		return true
	case token.ADD_ASSIGN, token.OR_ASSIGN, token.AND_ASSIGN, token.XOR_ASSIGN:
		t := c.info.Types[s.Lhs[0]].Type
		b, ok := types.Type(nil), false
		if t != nil {
			b = t.Underlying()
		}
		basic, ok := b.(*types.Basic)
		return ok && basic.Info()&types.IsInteger != 0
	case token.ASSIGN:
		for i, l := range s.Lhs {
			if at, ok := l.(*ast.IndexExpr); ok && c.isMap(at.X) {
				continue
			}
			if call, ok := s.Rhs[min(i, len(s.Rhs)-1)].(*ast.CallExpr); ok && isCall(call, "append") {
				continue
			}
			return false
		}
		return true
	}
	return false
}

func isCall(call *ast.CallExpr, name string) bool {
	id, ok := call.Fun.(*ast.Ident)
	return ok && id.Name == name
}

// sorted reports whether a declaration that collects into a slice within body also sorts something: which
// slice is left to the reviewer.
func (c *purity) sorted(d ast.Decl, body *ast.BlockStmt) bool {
	collects, sorts := false, false
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		collects = collects || ok && isCall(call, "append")
		return true
	})
	ast.Inspect(d, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			p := c.of(sel.X)
			sorts = sorts || p == "sort" || p == "slices" && strings.HasPrefix(sel.Sel.Name, "Sort")
		}
		return true
	})
	return !collects || sorts
}
