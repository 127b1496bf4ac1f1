package probe

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const rpmTimeout = 2 * time.Minute

// rpmArgs asks for one line for each package. Tags that a package lacks are printed as "(none)".
var rpmArgs = []string{"-qa", "--qf", `%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{MODULARITYLABEL}\n`}

// oldArgs leaves out what an rpm before module streams takes for a mistake.
var oldArgs = []string{rpmArgs[0], rpmArgs[1], strings.Replace(rpmArgs[2], `\t%{MODULARITYLABEL}`, "", 1)}

// rpmDatabases lists the files by which each generation of rpm(8) keeps its packages. The formats
// differ, so the program is asked and not the file.
var rpmDatabases = []string{
	"/usr/lib/sysimage/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/Packages.db", "/usr/lib/sysimage/rpm/Packages",
	"/var/lib/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages.db", "/var/lib/rpm/Packages",
}

// rpm asks rpm(8). The bool says whether there is a database that holds packages: rpm may be installed
// as a mere tool on a machine that another manager keeps.
func rpm(ctx context.Context, r Root) ([]model.Package, bool, error) {
	for _, name := range rpmDatabases {
		if !r.exists(name) {
			continue
		}
		if r.RPM == nil {
			return nil, true, fault.New(fault.Invalid, "", "%s is an rpm database, and nothing can read it here", r.path(name))
		}
		out, err := r.RPM(ctx)
		if err != nil {
			return nil, true, fault.New(fault.KindOf(err), "", "ask rpm for the packages in %s: %w", name, err)
		}
		list, err := parseRPM(string(out))
		if err != nil {
			return nil, true, fault.Wrap("read the answer of rpm -qa", err)
		}
		return list, len(list) > 0, nil
	}
	return nil, false, nil
}

// parseRPM reads the answer to rpmArgs or oldArgs. Corrupt: a line with another number of fields, or a package
// without a name or version.
func parseRPM(text string) ([]model.Package, error) {
	var list []model.Package
	number := 0
	for line := range strings.Lines(text) {
		number++
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) != 6 && len(f) != 7 {
			return nil, fault.New(fault.Corrupt, "", "line %d has %d fields, not 6 or 7: %.60q", number, len(f), line)
		}
		for i := range f {
			if f[i] == "(none)" {
				f[i] = ""
			}
		}
		if f[0] == "gpg-pubkey" {
			continue // a signing key that rpm files among the packages
		}
		p := model.Package{Manager: "rpm", Name: f[0], Version: f[2] + "-" + f[3], Arch: f[4]}
		p.Source, p.SourceVersion = parseSourceRPM(f[5])
		if len(f) == 7 {
			p.Module = moduleStream(f[6])
		}
		if epoch := f[1]; epoch != "" && epoch != "0" {
			// The source's file name has no epoch. A package that is built from it under the same version has
			// the source's; of any other package it is not known.
			if p.SourceVersion == p.Version {
				p.SourceVersion = epoch + ":" + p.SourceVersion
			}
			p.Version = epoch + ":" + p.Version
		}
		if err := checkPackage(&p); err != nil {
			return nil, fault.New(fault.KindOf(err), "", "line %d: %w", number, err)
		}
		if list = append(list, p); len(list) > maxPackages {
			return nil, fault.New(fault.TooLarge, "", "more than %d packages", maxPackages)
		}
	}
	return list, nil
}

// moduleStream returns NAME:STREAM of a label NAME:STREAM:VERSION:CONTEXT; what has another form gives nothing.
func moduleStream(label string) string {
	parts := strings.SplitN(label, ":", 3)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" {
		return ""
	}
	return parts[0] + ":" + parts[1]
}

// parseSourceRPM splits name-version-release.src.rpm; what has another form gives nothing.
func parseSourceRPM(s string) (name, version string) {
	stem, ok := strings.CutSuffix(s, ".rpm")
	if !ok {
		return "", ""
	}
	dot := strings.LastIndexByte(stem, '.') // .src or .nosrc
	if dot < 0 {
		return "", ""
	}
	stem = stem[:dot]
	release := strings.LastIndexByte(stem, '-')
	if release <= 0 {
		return "", ""
	}
	ver := strings.LastIndexByte(stem[:release], '-')
	if ver <= 0 || ver+1 == release || release+1 == len(stem) {
		return "", ""
	}
	return stem[:ver], stem[ver+1:]
}

// runRPM runs rpm(8) on this machine. One that does not know module streams is asked again without them.
func runRPM(ctx context.Context) ([]byte, error) {
	out, err := askRPM(ctx, rpmArgs)
	if err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "unknown tag") {
		return askRPM(ctx, oldArgs)
	}
	return out, err
}

func askRPM(ctx context.Context, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, rpmTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "rpm", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = 5 * time.Second
	var errs bytes.Buffer
	cmd.Stderr = &limited{w: &errs, left: 4096}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fault.New(fault.Other, "", "run rpm: %w", err)
	}
	b, readErr := io.ReadAll(io.LimitReader(out, maxDatabase+1))
	if len(b) > maxDatabase {
		cancel()
	}
	err = cmd.Wait()
	switch {
	case len(b) > maxDatabase:
		return nil, fault.New(fault.TooLarge, "", "rpm answered with more than %d bytes", maxDatabase)
	case err != nil:
		return nil, fault.New(fault.Other, "", "run rpm: %w: %s", err, clip(errs.String(), 512))
	}
	return b, readErr
}

// limited forwards the first bytes and swallows the rest, so that the writer is never held up.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	if _, err := l.w.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}
