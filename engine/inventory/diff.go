package inventory

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// DiffPackages returns what turns one inventory into another, each list by manager, name, architecture and
// version. A package that may be installed in several versions at once (a kernel) is compared version by version, and
// what is left over is paired from the oldest place on; so a change is one line and not two.
func DiffPackages(from, to model.Inventory) model.PackagesDiff {
	d := model.PackagesDiff{Added: []model.Package{}, Removed: []model.Package{}, Changed: []model.PackageChange{}}
	if from.OS != to.OS {
		d.OSFrom, d.OSTo = &from.OS, &to.OS
	}
	pairs(from.Packages, to.Packages, comparePackages, samePlace, func(a, b *model.Package) {
		switch {
		case a == nil:
			d.Added = append(d.Added, *b)
		case b == nil:
			d.Removed = append(d.Removed, *a)
		default:
			c := model.PackageChange{Manager: a.Manager, Name: a.Name, Arch: a.Arch, From: a.Version, To: b.Version}
			if a.Ecosystem == b.Ecosystem {
				c.Ecosystem = a.Ecosystem
			}
			d.Changed = append(d.Changed, c)
		}
	})
	return d
}

func comparePackages(a, b model.Package) int {
	return cmp.Or(samePlace(a, b), strings.Compare(a.Version, b.Version), strings.Compare(a.Source, b.Source),
		strings.Compare(a.SourceVersion, b.SourceVersion), strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Module, b.Module))
}

func samePlace(a, b model.Package) int {
	return cmp.Or(strings.Compare(a.Manager, b.Manager), strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch))
}

// DiffCertificates returns what turns one list of certificates into another, each list by path and subject. A
// certificate that came into the place of another of its subject, in the same file, is a change.
func DiffCertificates(from, to []model.Certificate) model.CertificatesDiff {
	d := model.CertificatesDiff{Added: []model.Certificate{}, Removed: []model.Certificate{}, Changed: []model.CertificateChange{}}
	place := func(a, b model.Certificate) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Subject, b.Subject))
	}
	order := func(a, b model.Certificate) int {
		return cmp.Or(place(a, b), strings.Compare(a.Fingerprint, b.Fingerprint))
	}
	pairs(from, to, order, place, func(a, b *model.Certificate) {
		switch {
		case a == nil:
			d.Added = append(d.Added, *b)
		case b == nil:
			d.Removed = append(d.Removed, *a)
		default:
			d.Changed = append(d.Changed, model.CertificateChange{From: *a, To: *b})
		}
	})
	return d
}

// DiffFacts returns the names, as in the JSON, of the sections that differ, sorted.
func DiffFacts(from, to model.OSFacts) []string {
	differ := []string{}
	a, b := reflect.ValueOf(from), reflect.ValueOf(to)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
			differ = append(differ, name)
		}
	}
	slices.Sort(differ)
	return differ
}

// pairs walks both lists in their order and calls fn with what only one of them has, one of each side where
// both stand at the same place. The lists are not changed.
func pairs[T any](from, to []T, order, place func(a, b T) int, fn func(a, b *T)) {
	from, to = sorted(from, order), sorted(to, order)
	var a, b []T // at one place, and only there on this side
	for len(from) > 0 || len(to) > 0 {
		na, nb := run(from, place), run(to, place)
		switch {
		case nb == 0, na > 0 && place(from[0], to[0]) < 0:
			nb = 0
		case na == 0, place(from[0], to[0]) > 0:
			na = 0
		}
		a, b = without(from[:na], to[:nb], order), without(to[:nb], from[:na], order)
		for i := range max(len(a), len(b)) {
			var x, y *T
			if i < len(a) {
				x = &a[i]
			}
			if i < len(b) {
				y = &b[i]
			}
			fn(x, y)
		}
		from, to = from[na:], to[nb:]
	}
}

func sorted[T any](list []T, order func(a, b T) int) []T {
	if slices.IsSortedFunc(list, order) {
		return list
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, order)
	return list
}

// run returns how many of the first stand at the same place.
func run[T any](list []T, place func(a, b T) int) int {
	n := 0
	for n < len(list) && place(list[0], list[n]) == 0 {
		n++
	}
	return n
}

// without returns what is in list and not in other, both in the given order.
func without[T any](list, other []T, order func(a, b T) int) []T {
	var out []T
	j := 0
	for _, x := range list {
		for j < len(other) && order(other[j], x) < 0 {
			j++
		}
		if j < len(other) && order(other[j], x) == 0 {
			j++
			continue
		}
		out = append(out, x)
	}
	return out
}
