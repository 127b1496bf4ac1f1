package exposure

import "testing"

func TestPackageURL(t *testing.T) {
	for text, want := range map[string]PackageURL{
		"pkg:deb/debian/openssl@3.0.11-1~deb12u2?distro=debian-12": {Base: "Debian", Name: "openssl", Version: "3.0.11-1~deb12u2"},
		"pkg:deb/debian/openssl":                                   {Base: "Debian", Name: "openssl"},
		"pkg:npm/%40angular/core@16.0.0":                           {Base: "npm", Name: "@angular/core", Version: "16.0.0"},
		"pkg:pypi/Django_Rest@1":                                   {Base: "PyPI", Name: "django-rest", Version: "1"},
		"pkg:golang/golang.org/x/net@v0.1.0":                       {Base: "Go", Name: "golang.org/x/net", Version: "v0.1.0"},
		"pkg:maven/org.apache/log4j@2":                             {Base: "Maven", Name: "org.apache:log4j", Version: "2"},
		"pkg:rpm/almalinux/bash@5.1-1?epoch=2":                     {Base: "AlmaLinux", Name: "bash", Version: "2:5.1-1"},
	} {
		got, ok := ReadPackageURL(text)
		got.p = purl{}
		if !ok || got != want {
			t.Errorf("%s: %+v, %v", text, got, ok)
		}
		// And back, without the version.
		again, ok := ReadPackageURL(PackageURLOf(want.Base, want.Name))
		if !ok || again.Base != want.Base || again.Name != want.Name {
			t.Errorf("%s of %s is written %q, which is %+v", want.Name, want.Base, PackageURLOf(want.Base, want.Name), again)
		}
	}
	for _, text := range []string{"", "openssl", "pkg:", "pkg:deb/nowhere/x@1", "pkg:x/y@1"} {
		if got, ok := ReadPackageURL(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
	u, _ := ReadPackageURL("pkg:deb/debian/openssl@3?distro=bookworm")
	if !u.In("Debian:12") || u.In("Debian:11") || u.In("Ubuntu:22.04") {
		t.Error("the release of a package URL is not minded")
	}
}
