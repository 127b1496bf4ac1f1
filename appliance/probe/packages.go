package probe

import (
	"cmp"
	"context"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of what a package database may hold.
const (
	maxDatabase = 64 << 20 // bytes of one database file
	maxPackages = 100_000  // packages of one host
	maxField    = 1024     // bytes of a name, version or architecture
	maxStatusD  = 10_000   // files in status.d
)

// Inventory observes the system's name and its packages. Errors are those of Packages.
func Inventory(ctx context.Context, r Root) (model.Inventory, error) {
	os, err := OS(r)
	if err != nil {
		return model.Inventory{}, err
	}
	list, err := Packages(ctx, r)
	return model.Inventory{OS: os, Packages: list}, err
}

// Packages lists the installed packages of every package manager that is found, sorted by manager,
// name, version and architecture. All or nothing: a database that is there and cannot be read is an
// error, and so is a machine without any (NotFound), because an empty list would claim that there is
// nothing to be vulnerable.
func Packages(ctx context.Context, r Root) ([]model.Package, error) {
	var all []model.Package
	found := false
	for _, read := range []func(context.Context, Root) ([]model.Package, bool, error){dpkg, apk, rpm} {
		list, ok, err := read(ctx, r)
		if err != nil {
			return nil, fault.Wrap("probe packages", err)
		}
		found = found || ok
		all = append(all, list...)
	}
	if !found {
		return nil, fault.New(fault.NotFound, "probe packages", "no package database of dpkg, apk or rpm under %s", r.path("/"))
	}
	slices.SortFunc(all, comparePackages)
	all = slices.Compact(all)
	if len(all) > maxPackages {
		return nil, fault.New(fault.TooLarge, "probe packages", "%d packages; at most %d can be reported", len(all), maxPackages)
	}
	return all, nil
}

func comparePackages(a, b model.Package) int {
	return cmp.Or(cmp.Compare(a.Manager, b.Manager), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Source, b.Source), cmp.Compare(a.SourceVersion, b.SourceVersion),
		cmp.Compare(a.Module, b.Module))
}

// checkPackage cleans p, and refuses one that no package manager could have recorded.
func checkPackage(p *model.Package) error {
	for _, f := range []struct {
		name     string
		text     *string
		required bool
	}{{"name", &p.Name, true}, {"version", &p.Version, true}, {"architecture", &p.Arch, false}, {"source", &p.Source, false}, {"source version", &p.SourceVersion, false}, {"module", &p.Module, false}} {
		if len(*f.text) > maxField {
			return fault.New(fault.TooLarge, "", "the %s of a package has %d bytes; at most %d are allowed", f.name, len(*f.text), maxField)
		}
		*f.text = clean(*f.text)
		if f.required && *f.text == "" {
			return fault.New(fault.Corrupt, "", "an installed package has no %s", f.name)
		}
	}
	return nil
}

// appendPackage checks the package of the paragraph that ends at a line, and adds it to the list.
func appendPackage(list []model.Package, p model.Package, line int) ([]model.Package, error) {
	if err := checkPackage(&p); err != nil {
		return nil, fault.New(fault.KindOf(err), "", "paragraph that ends at line %d: %w", line, err)
	}
	if list = append(list, p); len(list) > maxPackages {
		return nil, fault.New(fault.TooLarge, "", "more than %d packages", maxPackages)
	}
	return list, nil
}
