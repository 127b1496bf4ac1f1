package probe

import (
	"context"
	"os"
	"path"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const (
	dpkgStatus  = "/var/lib/dpkg/status"
	dpkgStatusD = "/var/lib/dpkg/status.d" // images built without dpkg itself keep one file per package
)

// dpkg reads the database of dpkg(1). The bool says whether there is one.
func dpkg(_ context.Context, r Root) ([]model.Package, bool, error) {
	var all []model.Package
	found := false
	b, err := r.read(dpkgStatus, maxDatabase)
	switch {
	case err == nil:
		if all, err = parseDpkg(string(b), false); err != nil {
			return nil, true, fault.Wrap("read "+dpkgStatus, err)
		}
		found = true
	case !absent(err):
		return nil, true, fault.Wrap("read "+dpkgStatus, err)
	}
	entries, err := os.ReadDir(r.path(dpkgStatusD))
	if err != nil && !absent(err) {
		return nil, true, fault.Wrap("read "+dpkgStatusD, err)
	}
	if len(entries) > maxStatusD {
		return nil, true, fault.New(fault.TooLarge, "", "%s has %d files; at most %d are read", dpkgStatusD, len(entries), maxStatusD)
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasSuffix(e.Name(), ".md5sums") {
			continue
		}
		name := path.Join(dpkgStatusD, e.Name())
		b, err := r.read(name, maxDatabase)
		if err != nil {
			return nil, true, fault.Wrap("read "+name, err)
		}
		list, err := parseDpkg(string(b), true)
		if err != nil {
			return nil, true, fault.Wrap("read "+name, err)
		}
		all, found = append(all, list...), true
		if len(all) > maxPackages {
			return nil, true, fault.New(fault.TooLarge, "", "more than %d packages in %s", maxPackages, dpkgStatusD)
		}
	}
	return all, found, nil
}

// parseDpkg reads paragraphs of deb-control(5). With implied, a paragraph without a Status field is of
// an installed package. Corrupt: a line that is neither a field nor a continuation, or an installed
// package without a name or version. TooLarge: more than maxPackages, a field above maxField.
func parseDpkg(text string, implied bool) ([]model.Package, error) {
	var list []model.Package
	var p dpkgParagraph
	number := 0
	end := func() error {
		if !p.any {
			return nil
		}
		installed := p.status == "" && implied || dpkgOnDisk(p.status)
		one := p.Package
		p = dpkgParagraph{}
		if !installed {
			return nil
		}
		if one.Source == "" {
			one.Source = one.Name
		}
		// "name (version)" where the source's version is not the package's own.
		if name, rest, ok := strings.Cut(one.Source, "("); ok {
			one.Source, one.SourceVersion = strings.TrimSpace(name), strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
		}
		if one.SourceVersion == "" {
			one.SourceVersion = one.Version
		}
		one.Manager = "dpkg"
		var err error
		list, err = appendPackage(list, one, number)
		return err
	}
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.Trim(line, " \t") == "":
			if err := end(); err != nil {
				return nil, err
			}
			continue
		case line[0] == ' ' || line[0] == '\t':
			continue // goes on with a field; none of ours has more than one line
		case line[0] == '#':
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fault.New(fault.Corrupt, "", "line %d is not a field: %.40q", number, line)
		}
		p.set(name, strings.TrimSpace(value))
	}
	number++
	if err := end(); err != nil {
		return nil, err
	}
	return list, nil
}

// dpkgParagraph collects the fields of one paragraph.
type dpkgParagraph struct {
	model.Package
	status string
	any    bool // a field was seen
}

func (p *dpkgParagraph) set(name, value string) {
	p.any = true
	switch strings.ToLower(name) {
	case "package":
		p.Name = value
	case "version":
		p.Version = value
	case "architecture":
		p.Arch = value
	case "source":
		p.Source = value
	case "status":
		p.status = value
	}
}

// dpkgOnDisk reports whether a Status says that the package's files are in place. That is more than
// "install ok installed": a package on hold is as vulnerable as any other, and so is one whose
// configuration has not finished.
func dpkgOnDisk(status string) bool {
	words := strings.Fields(status)
	if len(words) != 3 {
		return false
	}
	switch words[2] {
	case "installed", "triggers-pending", "triggers-awaited", "half-configured", "unpacked":
		return true
	}
	return false
}
