package probe

import (
	"os"
	"testing"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/model"
)

func seed(f *testing.F, files ...string) {
	f.Helper()
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
}

// checkList fails unless what a reader accepted can be stored: complete, within bounds, encodable.
func checkList(t *testing.T, list []model.Package, err error) {
	t.Helper()
	if err != nil {
		return
	}
	for _, p := range list {
		if p.Name == "" || p.Version == "" || p.Manager == "" || len(p.Name) > 3*maxField {
			t.Fatalf("accepted %+v", p)
		}
	}
	if _, err := model.Encode(list); err != nil {
		t.Fatalf("cannot be stored: %v", err)
	}
}

func FuzzDpkg(f *testing.F) {
	seed(f, "testdata/debian/var/lib/dpkg/status", "testdata/distroless/var/lib/dpkg/status.d/libc6")
	f.Add("Package: a\nStatus: install ok installed\nVersion: 1\nSource: b (")
	f.Add("\n\n \t\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseDpkg(text, false)
		checkList(t, list, err)
		wider, err2 := parseDpkg(text, true)
		checkList(t, wider, err2)
		if err == nil && err2 == nil && len(wider) < len(list) {
			t.Fatalf("%d packages, %d where Status may be absent", len(list), len(wider))
		}
	})
}

func FuzzAPK(f *testing.F) {
	seed(f, "testdata/alpine/lib/apk/db/installed")
	f.Add("P:a\nV:1\r\n\r\nP:b")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseAPK(text)
		checkList(t, list, err)
	})
}

func FuzzRPM(f *testing.F) {
	seed(f, "testdata/rpm-qa.txt")
	f.Add("a\t(none)\t\t\tx\t-.rpm\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseRPM(text)
		checkList(t, list, err)
	})
}

func FuzzOSRelease(f *testing.F) {
	seed(f, "testdata/debian/etc/os-release", "testdata/alpine/etc/os-release", "testdata/rocky/etc/os-release")
	f.Add("ID=\"\\\"\nNAME='\n=\nVERSION_ID=\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		os := parseOSRelease(text)
		for _, s := range []string{os.ID, os.Name, os.Version, os.Codename} {
			if !utf8.ValidString(s) || len(s) > 1024 {
				t.Fatalf("accepted %q", s)
			}
		}
	})
}

func FuzzCertificates(f *testing.F) {
	b, err := os.ReadFile("testdata/chain.pem")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, _ := parseCertificates(b)
		for _, c := range list {
			if c.Fingerprint == "" || len(c.Names) > maxCertNames {
				t.Fatalf("accepted %+v", c)
			}
		}
		if _, err := model.Encode(list); err != nil {
			t.Fatalf("cannot be stored: %v", err)
		}
	})
}
