package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

func TestFacts(t *testing.T) {
	r := Root{Dir: "testdata/debian", Version: "1.2.3", Interfaces: func() ([]Interface, error) {
		mac := net.HardwareAddr{0x52, 0x54, 0, 0xAB, 0xCD, 0xEF}
		up := net.FlagUp | net.FlagRunning
		return []Interface{
			{Flags: up | net.FlagLoopback, Addrs: []string{"127.0.0.1/8", "::1/128", "192.0.2.99/32"}},
			{Flags: up, MAC: mac, Addrs: []string{"192.168.7.20/24", "192.0.2.10/24", "2001:db8::10/64", "fe80::1/64", "192.0.2.10/24"}},
			{Flags: net.FlagUp, MAC: net.HardwareAddr{2, 0x42, 0, 0, 0, 1}, Addrs: []string{"172.17.0.1/16"}}, // a bridge with nothing behind it
			{Flags: net.FlagRunning, Addrs: []string{"10.9.9.9/8"}},
			{Flags: up, MAC: net.HardwareAddr{2, 1, 1, 1, 1, 1}, Addrs: []string{"fe80::2/64"}},
			{Flags: up, Addrs: []string{"not an address"}},
			{Flags: up, MAC: net.HardwareAddr{192, 0, 2, 1}, Addrs: []string{"192.0.2.10/24"}}, // a tunnel
		}, nil
	}}
	f, err := Facts(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if f.Kernel == "" || f.Arch == "" {
		t.Errorf("kernel %q, architecture %q: this machine has both", f.Kernel, f.Arch)
	}
	f.Kernel, f.Arch = "", ""
	if !f.BootedAt.IsZero() && f.BootedAt%1000 != 0 {
		t.Errorf("booted at %v: want whole seconds", f.BootedAt)
	}
	f.BootedAt = 0 // from the tree's proc/stat, or uptime where the test itself runs in a container
	want := model.Facts{
		Hostname: "web01", FQDN: "web01.branch.example", IPv4: []string{"192.0.2.10", "192.168.7.20"}, IPv6: []string{"2001:db8::10"},
		MAC: []string{"52:54:00:ab:cd:ef"}, OS: model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"},
		RebootNeeded: new(false), AgentVersion: "1.2.3", CPUs: 6, MemoryMB: 3912, Serial: "CZC9472XYZ",
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("%+v\nwant\n%+v", f, want)
	}
}

func TestFactsOfThisMachine(t *testing.T) {
	f, err := Facts(t.Context(), Machine("test"))
	if err != nil {
		t.Fatal(err)
	}
	name, err := os.Hostname()
	if err != nil || f.Hostname != name {
		t.Errorf("host name %q, want %q (%v)", f.Hostname, name, err)
	}
	if f.BootedAt.IsZero() {
		t.Error("no boot time")
	}
	if f.CPUs < 1 || f.MemoryMB < 1 {
		t.Errorf("%d processors, %d MB of memory", f.CPUs, f.MemoryMB)
	}
	if err := inventory.CheckFacts(&f); err != nil {
		t.Errorf("a site would refuse what this machine reports: %v", err)
	}
	t.Logf("%+v", f)
}

func TestRebootNeeded(t *testing.T) {
	dir := t.TempDir()
	r := Root{Dir: dir}
	if got := r.rebootNeeded(); got != nil {
		t.Errorf("nothing on the system tells, got %v", *got)
	}
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run/reboot-required"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.rebootNeeded(); got == nil || !*got {
		t.Errorf("marked, got %v", got)
	}
}

func TestFQDN(t *testing.T) {
	ask := func(answer string, err error) func(context.Context, string) (string, error) {
		return func(context.Context, string) (string, error) { return answer, err }
	}
	for _, tc := range []struct {
		name, host, want string
		root             Root
	}{
		{"has a dot already", "a.example", "a.example", Root{Dir: "testdata/bare"}},
		{"hosts file first", "web01", "web01.branch.example", Root{Dir: "testdata/debian", Canonical: ask("web01.other.example.", nil)}},
		{"name service", "db1", "db1.corp.example", Root{Dir: "testdata/bare", Canonical: ask("db1.corp.example.", nil)}},
		{"other host's name", "db1", "", Root{Dir: "testdata/bare", Canonical: ask("cdn.example.", nil)}},
		{"no answer", "db1", "", Root{Dir: "testdata/bare", Canonical: ask("", errors.New("timeout"))}},
		{"nobody to ask", "db1", "", Root{Dir: "testdata/bare"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.root.fqdn(t.Context(), tc.host); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestFactsNeedsAName(t *testing.T) {
	if _, err := Facts(t.Context(), Root{Dir: t.TempDir()}); !fault.Is(err, fault.NotFound) {
		t.Fatalf("error %v", err)
	}
}

func TestParseOSRelease(t *testing.T) {
	for _, tc := range []struct {
		text string
		want model.OS
	}{
		{"ID='Arch'\nNAME=Arch\nnonsense\n#ID=x\n", model.OS{ID: "arch", Name: "Arch"}},
		{`PRETTY_NAME="a \"b\" \$c \x"`, model.OS{Name: `a "b" $c \x`}},
		{"ID=\"\nVERSION_ID=\"\"\n", model.OS{ID: `"`}},
		{"", model.OS{}},
	} {
		if got := parseOSRelease(tc.text); got != tc.want {
			t.Errorf("%q: %+v, want %+v", tc.text, got, tc.want)
		}
	}
}
