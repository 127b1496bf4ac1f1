package inventory

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

func pkg(name, version string) model.Package {
	return model.Package{Manager: "dpkg", Name: name, Version: version, Arch: "amd64"}
}

func TestDiffPackages(t *testing.T) {
	from := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{
		pkg("curl", "7"), pkg("kernel", "5.1"), pkg("kernel", "5.2"), pkg("old", "1"), pkg("same", "1"), pkg("twice", "1"), pkg("twice", "1"),
	}}
	to := model.Inventory{OS: model.OS{ID: "debian", Version: "13"}, Packages: []model.Package{
		pkg("same", "1"), pkg("kernel", "5.3"), pkg("kernel", "5.2"), pkg("new", "1"), pkg("curl", "8"), pkg("twice", "1"), pkg("zz", "1"),
	}}
	was := slices.Clone(to.Packages)
	d := DiffPackages(from, to)
	want := model.PackagesDiff{
		OSFrom: &from.OS, OSTo: &to.OS,
		Added:   []model.Package{pkg("new", "1"), pkg("zz", "1")},
		Removed: []model.Package{pkg("old", "1"), pkg("twice", "1")},
		Changed: []model.PackageChange{{Manager: "dpkg", Name: "curl", Arch: "amd64", From: "7", To: "8"}, {Manager: "dpkg", Name: "kernel", Arch: "amd64", From: "5.1", To: "5.3"}},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
	if !reflect.DeepEqual(was, to.Packages) {
		t.Error("the caller's list was put in order")
	}
	rebuilt := pkg("same", "1")
	rebuilt.SourceVersion = "1+b1"
	d = DiffPackages(model.Inventory{Packages: []model.Package{pkg("same", "1")}}, model.Inventory{Packages: []model.Package{rebuilt}})
	if len(d.Changed) != 1 || d.Changed[0].From != "1" || d.Changed[0].To != "1" {
		t.Errorf("another source: %+v", d)
	}
	if d = DiffPackages(from, from); d.OSFrom != nil || len(d.Added)+len(d.Removed)+len(d.Changed) != 0 {
		t.Errorf("nothing changed: %+v", d)
	}
}

// What is added and removed always makes up for the difference, and the way back is the same way.
func TestDiffPackagesBothWays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	draw := func() (out model.Inventory) {
		for range r.IntN(30) {
			out.Packages = append(out.Packages, pkg(fmt.Sprint("p", r.IntN(8)), fmt.Sprint(r.IntN(4))))
		}
		return out
	}
	for range 500 {
		a, b := draw(), draw()
		d, back := DiffPackages(a, b), DiffPackages(b, a)
		if len(a.Packages)+len(d.Added)-len(d.Removed) != len(b.Packages) {
			t.Fatalf("%v to %v: %+v", a, b, d)
		}
		if !reflect.DeepEqual(d.Added, back.Removed) || !reflect.DeepEqual(d.Removed, back.Added) || len(d.Changed) != len(back.Changed) {
			t.Fatalf("%v to %v: %+v and back %+v", a, b, d, back)
		}
		for i := range d.Changed {
			if d.Changed[i].From != back.Changed[i].To || d.Changed[i].Name != back.Changed[i].Name {
				t.Fatalf("%+v and back %+v", d.Changed[i], back.Changed[i])
			}
		}
	}
}

func TestDiffCertificates(t *testing.T) {
	cert := func(path, subject, fingerprint string) model.Certificate {
		return model.Certificate{Path: path, Subject: subject, Fingerprint: fingerprint}
	}
	from := []model.Certificate{cert("/a", "CN=x", "1"), cert("/a", "CN=ca", "2"), cert("/b", "CN=y", "3"), cert("/c", "CN=z", "4")}
	to := []model.Certificate{cert("/a", "CN=x", "5"), cert("/a", "CN=ca", "2"), cert("/b", "CN=other", "6"), cert("/c", "CN=z", "4")}
	d := DiffCertificates(from, to)
	want := model.CertificatesDiff{
		Added: to[2:3], Removed: from[2:3], Changed: []model.CertificateChange{{From: from[0], To: to[0]}},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
}

func TestDiffFacts(t *testing.T) {
	a := model.OSFacts{TimeZone: "UTC", Modules: []string{"ext4"}, Mounts: []model.Mount{{Target: "/"}}}
	b := a
	if got := DiffFacts(a, b); len(got) != 0 {
		t.Errorf("nothing changed: %v", got)
	}
	b.TimeZone, b.Mounts, b.NTP.Synchronised = "Europe/Berlin", nil, new(true)
	if got := DiffFacts(a, b); !slices.Equal(got, []string{"mounts", "ntp", "time_zone"}) {
		t.Errorf("sections %v", got)
	}
}
