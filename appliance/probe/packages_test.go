package probe

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func dpkgPackage(name, version, arch, source, sourceVersion string) model.Package {
	return model.Package{Manager: "dpkg", Name: name, Version: version, Arch: arch, Source: source, SourceVersion: sourceVersion}
}

func apkPackage(name, version, source string) model.Package {
	return model.Package{Manager: "apk", Name: name, Version: version, Arch: "x86_64", Source: source, SourceVersion: version}
}

func rpmPackage(name, version, arch, source, sourceVersion string) model.Package {
	return model.Package{Manager: "rpm", Name: name, Version: version, Arch: arch, Source: source, SourceVersion: sourceVersion}
}

func TestInventory(t *testing.T) {
	for _, tc := range []struct {
		root string
		os   model.OS
		want []model.Package
	}{
		{"debian", model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"}, []model.Package{
			dpkgPackage("adduser", "3.134", "all", "adduser", "3.134"),
			dpkgPackage("libgcc-s1", "12.2.0-14+b1", "amd64", "gcc-12", "12.2.0-14"),
			dpkgPackage("libssl3", "3.0.11-1~deb12u2", "amd64", "openssl", "3.0.11-1~deb12u2"),
			dpkgPackage("libssl3", "3.0.11-1~deb12u2", "i386", "openssl", "3.0.11-1~deb12u2"),
			dpkgPackage("nginx-common", "1.22.1-9", "all", "nginx", "1.22.1-9"),
			dpkgPackage("vim", "2:9.0.1378-2", "amd64", "vim", "2:9.0.1378-2"),
		}},
		{"distroless", model.OS{ID: "debian", Name: "Distroless", Version: "12"}, []model.Package{
			dpkgPackage("base-files", "12.4+deb12u11", "amd64", "base-files", "12.4+deb12u11"),
			dpkgPackage("libc6", "2.36-9+deb12u10", "amd64", "glibc", "2.36-9+deb12u10"),
		}},
		{"alpine", model.OS{ID: "alpine", Name: "Alpine Linux v3.17", Version: "3.17.2"}, []model.Package{
			apkPackage("libcrypto3", "3.0.8-r0", "openssl"),
			apkPackage("musl", "1.2.3-r4", "musl"),
			apkPackage("tzdata", "2022f-r1", "tzdata"),
		}},
		{"rocky", model.OS{ID: "rocky", Name: "Rocky Linux 9.4 (Blue Onyx)", Version: "9.4"}, []model.Package{
			rpmPackage("bash", "5.1.8-9.el9", "x86_64", "bash", "5.1.8-9.el9"),
			rpmPackage("bind-license", "32:9.16.23-18.el9_4.1", "noarch", "bind", "32:9.16.23-18.el9_4.1"),
			rpmPackage("local-tool", "1.0-1", "x86_64", "", ""),
			rpmPackage("openssl-libs", "1:3.0.7-27.el9", "x86_64", "openssl", "1:3.0.7-27.el9"),
			rpmPackage("perl-Errno", "1.30-481.el9", "x86_64", "perl", "5.32.1-481.el9"),
			rpmPackage("perl-ExtUtils-Miniperl", "2:1.09-481.el9", "noarch", "perl", "5.32.1-481.el9"),
			rpmPackage("perl-libs", "4:5.32.1-481.el9", "x86_64", "perl", "4:5.32.1-481.el9"),
		}},
	} {
		t.Run(tc.root, func(t *testing.T) {
			r := Root{Dir: filepath.Join("testdata", tc.root)}
			r.RPM = func(context.Context) ([]byte, error) { return os.ReadFile("testdata/rpm-qa.txt") }
			inv, err := Inventory(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if inv.OS != tc.os {
				t.Errorf("system %+v, want %+v", inv.OS, tc.os)
			}
			if !slices.Equal(inv.Packages, tc.want) {
				t.Errorf("packages:\n%+v\nwant:\n%+v", inv.Packages, tc.want)
			}
		})
	}
}

// A machine whose packages cannot be known must not look like one that has none.
func TestPackagesRefusesToGuess(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "var/lib/dpkg/status")
	if err := os.MkdirAll(pipe, 0o700); err != nil { // a folder where the file should be
		t.Fatal(err)
	}
	damaged := t.TempDir()
	if err := os.CopyFS(damaged, os.DirFS("testdata/debian")); err != nil {
		t.Fatal(err)
	}
	status := filepath.Join(damaged, "var/lib/dpkg/status")
	whole, err := os.ReadFile(status)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(status, append(whole, "\nPackage: half\nStatus: install ok installed\nVers"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		root Root
		kind fault.Kind
		text string
	}{
		{"no database", Root{Dir: "testdata/bare"}, fault.NotFound, "no package database"},
		{"not a file", Root{Dir: dir}, fault.Invalid, "not a regular file"},
		{"cut short", Root{Dir: damaged}, fault.Corrupt, "is not a field"},
		{"rpm without rpm", Root{Dir: "testdata/rocky"}, fault.Invalid, "nothing can read it"},
		{"rpm talks nonsense", Root{Dir: "testdata/rocky", RPM: func(context.Context) ([]byte, error) { return []byte("error: cannot open\n"), nil }}, fault.Corrupt, "fields"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list, err := Packages(t.Context(), tc.root)
			if list != nil || !fault.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.text) {
				t.Fatalf("%d packages, error %v (kind %v); want kind %v with %q", len(list), err, fault.KindOf(err), tc.kind, tc.text)
			}
		})
	}
}

func TestParseBounds(t *testing.T) {
	long := strings.Repeat("x", maxField+1)
	if _, err := parseDpkg("Package: "+long+"\nStatus: install ok installed\nVersion: 1\n", false); !fault.Is(err, fault.TooLarge) {
		t.Errorf("long name: %v", err)
	}
	if _, err := parseAPK("P:a\nA:x86_64\n"); !fault.Is(err, fault.Corrupt) {
		t.Errorf("no version: %v", err)
	}
	if _, err := parseAPK(strings.Repeat("P:a\nV:1\n\n", maxPackages+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too many packages: %v", err)
	}
	list, err := parseDpkg("Package: a\x1b[31m\xff\nStatus: install ok installed\nVersion: 1\n", false)
	if err != nil || len(list) != 1 || list[0].Name != "a[31m\uFFFD" {
		t.Errorf("control characters: %+v, %v", list, err)
	}
}

func TestParseSourceRPM(t *testing.T) {
	for in, want := range map[string][2]string{
		"bash-5.1.8-9.el9.src.rpm":   {"bash", "5.1.8-9.el9"},
		"java-17-17.0.1-2.nosrc.rpm": {"java-17", "17.0.1-2"},
		"":                           {},
		"(none)":                     {},
		"x.src.rpm":                  {},
		"x-1.src.rpm":                {},
		"-1-2.src.rpm":               {},
		"x-1-.src.rpm":               {},
		"x--2.src.rpm":               {},
		".rpm":                       {},
	} {
		name, version := parseSourceRPM(in)
		if name != want[0] || version != want[1] {
			t.Errorf("%q: %q %q, want %q", in, name, version, want)
		}
	}
}

// The reader must see what dpkg itself sees on a real machine.
func TestDpkgAgreesWithDpkgQuery(t *testing.T) {
	tool, err := exec.LookPath("dpkg-query")
	if err != nil {
		t.Skip("SKIPPED: this machine has no dpkg-query, so the dpkg reader was not compared with it")
	}
	out, err := exec.CommandContext(t.Context(), tool, "-W", "-f", `${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n`).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []model.Package
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 6 {
			t.Fatalf("dpkg-query: %q", line)
		}
		if dpkgOnDisk("install ok " + f[0]) {
			want = append(want, dpkgPackage(f[1], f[2], f[3], f[4], f[5]))
		}
	}
	if len(want) == 0 {
		t.Skip("SKIPPED: dpkg-query knows of no package on this machine")
	}
	slices.SortFunc(want, comparePackages)
	got, found, err := dpkg(t.Context(), Root{})
	if err != nil || !found {
		t.Fatal(found, err)
	}
	slices.SortFunc(got, comparePackages)
	if !slices.Equal(got, want) {
		t.Fatalf("%d packages; dpkg-query has %d, or they differ", len(got), len(want))
	}
	t.Logf("%d packages agree with dpkg-query", len(got))
}
