package floors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// listed is what the go command says of one package.
type listed struct {
	ImportPath   string
	Dir          string
	Doc          string
	Standard     bool
	Export       string
	GoFiles      []string
	CgoFiles     []string
	TestGoFiles  []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Module       *struct{ Path string }

	path string // ImportPath relative to the module
}

// list returns the module's path and its packages.
func list(dir string) (string, []listed, error) {
	packages, err := goList(dir, "-e", "-json=ImportPath,Dir,Doc,GoFiles,CgoFiles,TestGoFiles,Imports,TestImports,XTestImports,Module", "./...")
	if err != nil {
		return "", nil, err
	}
	if len(packages) == 0 || packages[0].Module == nil {
		return "", nil, fmt.Errorf("%s: no packages of a module here", dir)
	}
	module := packages[0].Module.Path
	// Some packages of npm carry Go files.
	packages = slices.DeleteFunc(packages, func(p listed) bool { return strings.Contains(p.ImportPath+"/", "/node_modules/") })
	for i := range packages {
		packages[i].path = strings.TrimPrefix(strings.TrimPrefix(packages[i].ImportPath, module), "/")
	}
	return module, packages, nil
}

func goList(dir string, args ...string) ([]listed, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var out []listed
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		out = append(out, p)
	}
}

// never lists who must not import whom even downwards.
var never = []struct{ from, to, instead string }{
	{"sync", "storage", "declare the interface it needs"},
	{"sync", "raftfsm", "declare the interface it needs"},
	{"ui", "storage", "declare the interface it needs"},
	{"ui", "raftfsm", "declare the interface it needs"},
}

func under(path, top string) bool { return path == top || strings.HasPrefix(path, top+"/") }

// checkImports judges who imports whom. Tests may import upwards and sideways, for they put real parts together;
// the libraries with one importer they leave alone too.
func checkImports(plan Plan, module string, packages []listed) []string {
	var out []string
	bad := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	lived := map[string]bool{}
	for _, p := range packages {
		room, ok := plan.room(p.path)
		if !ok {
			bad("%s: has no row in the floor table of ARCHITECTURE.md", p.path)
			continue
		}
		lived[room.Path] = true
		if p.Doc == "" && len(p.GoFiles) > 0 {
			bad("%s: has no package comment", p.path)
		}
		if len(p.CgoFiles) > 0 {
			bad("%s: %s uses cgo", p.path, p.CgoFiles[0])
		}
		for _, imp := range p.Imports {
			to, own := strings.CutPrefix(imp, module+"/")
			if !own {
				continue
			}
			below, ok := plan.room(to)
			switch {
			case !ok: // reported as a package of its own
			case below.Path == room.Path:
			case below.Tests:
				bad("%s: imports %s, which only tests may", p.path, to)
			case below.Floor >= room.Floor:
				bad("%s (F%d): imports %s (F%d); only lower floors may be imported", p.path, room.Floor, to, below.Floor)
			}
			for _, n := range never {
				if under(p.path, n.from) && under(to, n.to) {
					bad("%s: imports %s; nothing in %s/ may, %s", p.path, to, n.from, n.instead)
				}
			}
		}
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for library, rooms := range plan.Libraries {
				if under(imp, library) && !slices.Contains(rooms, room.Path) {
					bad("%s: imports %s; only %s may", p.path, imp, strings.Join(rooms, ", "))
				}
			}
		}
	}
	for _, r := range plan.Rooms {
		if !lived[r.Path] {
			bad("ARCHITECTURE.md:%d: %s is in the floor table and does not exist", r.Line, r.Path)
		}
	}
	return out
}
