package probe

import (
	"bytes"
	"context"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// apkInstalled lists where apk-tools keeps its database; the second since Alpine merged /usr.
var apkInstalled = []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}

// apk reads the database of apk(8). The bool says whether there is one.
func apk(_ context.Context, r Root) ([]model.Package, bool, error) {
	var all []model.Package
	var seen []byte
	found := false
	for _, name := range apkInstalled {
		b, err := r.read(name, maxDatabase)
		if absent(err) || found && bytes.Equal(b, seen) { // one path is a link to the other
			continue
		}
		if err != nil {
			return nil, true, fault.Wrap("read "+name, err)
		}
		list, err := parseAPK(string(b))
		if err != nil {
			return nil, true, fault.Wrap("read "+name, err)
		}
		all, seen, found = append(all, list...), b, true
	}
	return all, found, nil
}

// parseAPK reads the paragraphs of apk-tools' installed database (apk-package(5), version 2): lines of
// one letter, a colon and a value. Corrupt: any other line, or a package without a name or version.
// TooLarge: more than maxPackages, a field above maxField.
func parseAPK(text string) ([]model.Package, error) {
	var list []model.Package
	var p model.Package
	number, any := 0, false
	end := func() error {
		if !any {
			return nil
		}
		one := p
		p, any = model.Package{}, false
		if strings.HasPrefix(one.Name, ".") {
			return nil // a virtual package: a name for a set of dependencies, with no software in it
		}
		if one.Source == "" {
			one.Source = one.Name
		}
		one.Manager, one.SourceVersion = "apk", one.Version // an origin and its subpackages share one version
		var err error
		list, err = appendPackage(list, one, number)
		return err
	}
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			if err := end(); err != nil {
				return nil, err
			}
			continue
		}
		if len(line) < 2 || line[1] != ':' {
			return nil, fault.New(fault.Corrupt, "", "line %d is not a field: %.40q", number, line)
		}
		any = true
		switch value := line[2:]; line[0] {
		case 'P':
			p.Name = value
		case 'V':
			p.Version = value
		case 'A':
			p.Arch = value
		case 'o':
			p.Source = value
		}
	}
	number++
	if err := end(); err != nil {
		return nil, err
	}
	return list, nil
}
