package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// machineFiles is what a small server shows of itself.
var machineFiles = map[string]string{
	"/proc/self/mountinfo": `22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 28 0:26 / /run rw - tmpfs tmpfs rw
40 28 8:2 / /srv/my\040data ro,relatime shared:2 - xfs /dev/sda2 rw
41 28 0:50 / /mnt/share rw - nfs4 server:/export rw,vers=4.2
42 28 0:51 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
43 28 8:3 / /srv/twice rw - ext4 /dev/sda3 rw
44 28 8:4 / /srv/twice rw - ext4 /dev/sda4 rw
not a line
`,
	"/sys/block/sda/size": "41943040\n", "/sys/block/sda/device/model": "QEMU HARDDISK   \n", "/sys/block/sda/queue/rotational": "1\n",
	"/sys/block/nvme0n1/size": "2048\n", "/sys/block/nvme0n1/device/serial": "S1\n", "/sys/block/nvme0n1/removable": "1\n",
	"/sys/block/loop0/size": "9\n", "/sys/block/sr0/size": "9\n", "/sys/block/dm-0/size": "9\n", "/sys/block/sdz/size": "0\n",
	"/sys/class/net/eth0/speed":      "1000\n",
	"/sys/class/net/down0/speed":     "-1\n",
	"/sys/class/dmi/id/sys_vendor":   "QEMU\n",
	"/sys/class/dmi/id/bios_date":    "04/01/2014\n",
	"/sys/class/dmi/id/product_name": "Standard PC\x07\n",
	"/proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon: a\nphysical id\t: 0\ncore id\t: 0\n\n" +
		"processor\t: 1\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon: a\nphysical id\t: 0\ncore id\t: 0\n\n" +
		"processor\t: 2\nphysical id\t: 1\ncore id\t: 0\n",
	"/sys/fs/cgroup/system.slice/ssh.service/cgroup.events":                               "populated 1\nfrozen 0\n",
	"/sys/fs/cgroup/system.slice/ended.service/cgroup.events":                             "populated 0\nfrozen 0\n",
	"/sys/fs/cgroup/system.slice/chrony.service/cgroup.procs":                             "77\n",
	"/sys/fs/cgroup/system.slice/run-u12.service/cgroup.procs":                            "78\n",
	"/sys/fs/cgroup/system.slice/system-getty.slice/getty@tty1.service/cgroup.procs":      "79\n",
	"/sys/fs/cgroup/system.slice/ssh.service/inner.slice/not-a-unit.service/cgroup.procs": "80\n",
	"/proc/net/tcp": `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   111        0 901 1 0
   1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000   111        0 902 1 0
`,
	"/proc/net/tcp6":                         "0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 903 1\n",
	"/proc/net/udp":                          "0: 00000000:0044 00000000:0000 07 0:0 0:0 0 0 0 904 2\n1: 00000000:C350 00000000:0000 07 0:0 0:0 0 0 0 905 2\n",
	"/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
	"/proc/77/comm":                          "mysqld\n",
	"/proc/net/if_inet6":                     "20010db8000000000000000000000001 02 40 00 00 eth0\n20010db8000000000000000000000002 02 40 00 01 eth0\n",
	"/etc/passwd":                            "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\nann:x:1000:1000:Ann,,,:/home/ann:/bin/zsh\nold:x:9:9::/:\nbad:x:a:b::/:/bin/sh\n",
	"/proc/modules":                          "xfs 2000 1 - Live 0x0\next4 1000 1 - Live 0x0\n",
	"/proc/sys/net/ipv4/ip_forward":          "1\n",
	"/proc/sys/vm/swappiness":                "60\n",
}

func machine(t *testing.T) Root {
	r := tree(t, machineFiles)
	for path, to := range map[string]string{"/etc/localtime": "/usr/share/zoneinfo/Europe/Berlin", "/proc/77/fd/3": "socket:[901]", "/proc/77/fd/4": "/dev/null"} {
		path = filepath.Join(r.Dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	r.Interfaces = func() ([]Interface, error) {
		mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
		return []Interface{
			{Name: "lo", MTU: 65536, Flags: net.FlagUp | net.FlagLoopback, Addrs: []string{"127.0.0.1/8"}},
			{Name: "eth0", MTU: 1500, Flags: net.FlagUp, MAC: mac, Addrs: []string{"2001:db8::2/64", "2001:db8::1/64", "192.0.2.1/24", "odd"}},
			{Name: "veth12", MTU: 1500, Flags: net.FlagUp, MAC: mac},
			{Name: "down0", MTU: 1500},
		}, nil
	}
	r.Size = func(path string) (int64, error) {
		if strings.HasSuffix(path, "share") {
			t.Error("asked a server for its size")
		}
		if strings.HasSuffix(path, "twice") {
			return 0, errors.New("gone")
		}
		return int64(1 + len(strings.TrimPrefix(path, r.Dir))), nil
	}
	r.Synchronised = func() *bool { return new(true) }
	return r
}

func TestOSFacts(t *testing.T) {
	f, err := OSFacts(t.Context(), machine(t))
	if err != nil {
		t.Fatal(err)
	}
	want := model.OSFacts{
		Mounts: []model.Mount{
			{Source: "/dev/sda1", Target: "/", Type: "ext4", Options: "rw,relatime", SizeMB: 1},
			{Source: "server:/export", Target: "/mnt/share", Type: "nfs4", Options: "rw"},
			{Source: "/dev/sda2", Target: "/srv/my data", Type: "xfs", Options: "ro,relatime", ReadOnly: true, SizeMB: 13},
			{Source: "/dev/sda4", Target: "/srv/twice", Type: "ext4", Options: "rw"},
		},
		Disks: []model.Disk{{Name: "nvme0n1", Serial: "S1", SizeMB: 1, Removable: true}, {Name: "sda", Model: "QEMU HARDDISK", SizeMB: 20480, Rotational: true}},
		Interfaces: []model.NetInterface{
			{Name: "down0", MTU: 1500},
			{Name: "eth0", MTU: 1500, Up: true, MAC: "02:00:00:00:00:01", SpeedMbit: 1000, Addresses: []string{"192.0.2.1/24", "2001:db8::1/64"}},
		},
		DMI:      model.DMI{Vendor: "QEMU", Product: "Standard PC", BIOSDate: "04/01/2014"},
		CPU:      model.CPU{Vendor: "GenuineIntel", Model: "Xeon: a", Sockets: 2, Cores: 2, Threads: 3},
		Services: []model.Service{{Unit: "chrony.service", By: "systemd"}, {Unit: "getty@tty1.service", By: "systemd"}, {Unit: "ssh.service", By: "systemd"}},
		Listeners: []model.Listener{
			{Protocol: "tcp", Address: "127.0.0.1", Port: 3306, Process: "mysqld"},
			{Protocol: "tcp6", Address: "::", Port: 22},
			{Protocol: "udp", Address: "0.0.0.0", Port: 68},
		},
		Users: []model.User{
			{Name: "root", Home: "/root", Shell: "/bin/bash"},
			{Name: "old", UID: 9, GID: 9, Home: "/", Shell: "/bin/sh"},
			{Name: "ann", UID: 1000, GID: 1000, Home: "/home/ann", Shell: "/bin/zsh"},
		},
		Modules: []string{"ext4", "xfs"},
		Sysctls: []model.Sysctl{
			{Name: "net.ipv4.ip_forward", Value: "1"},
			{Name: "net.ipv4.ip_local_port_range", Value: "32768 60999"},
			{Name: "vm.swappiness", Value: "60"},
		},
		TimeZone: "Europe/Berlin",
		NTP:      model.NTP{Synchronised: new(true), Service: "chrony"},
	}
	got, wanted := reflect.ValueOf(f), reflect.ValueOf(want)
	for i := range got.NumField() {
		if a, b := got.Field(i).Interface(), wanted.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s\ngot  %+v\nwant %+v", got.Type().Field(i).Name, a, b)
		}
	}
}

// What is not there is empty, what is too long is cut, and what cannot be read is named.
func TestOSFactsSections(t *testing.T) {
	r := tree(t, map[string]string{"/etc/hostname": "h\n"})
	f, err := OSFacts(t.Context(), r)
	if err != nil || len(f.Cut) != 0 || len(f.Mounts)+len(f.Users)+len(f.Services) != 0 {
		t.Errorf("an empty tree: %+v, %v", f, err)
	}
	many := strings.Builder{}
	for range inventory.MaxModules + 1 {
		many.WriteString("module 1 2\n")
	}
	r = tree(t, map[string]string{"/proc/modules": many.String(), "/run/openrc/started/sshd": "", "/etc/timezone": "Etc/UTC\n"})
	if err := os.MkdirAll(filepath.Join(r.Dir, "/etc/passwd"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.Interfaces = func() ([]Interface, error) { return nil, errors.New("no") }
	f, err = OSFacts(t.Context(), r)
	if err != nil || !slices.Equal(f.Cut, []string{"interfaces", "modules", "users"}) || len(f.Modules) != inventory.MaxModules {
		t.Errorf("cut %v, %v", f.Cut, err)
	}
	if f.TimeZone != "Etc/UTC" || !reflect.DeepEqual(f.Services, []model.Service{{Unit: "sshd", By: "openrc"}}) {
		t.Errorf("%+v", f)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OSFacts(ended, r); !errors.Is(err, context.Canceled) {
		t.Errorf("a look that was ended: %v", err)
	}
}

// This machine's own files: whatever they hold is within the bounds that a site accepts.
func TestOSFactsOfThisMachine(t *testing.T) {
	f, err := OSFacts(t.Context(), Machine("test"))
	if err != nil {
		t.Fatal(err)
	}
	if err := inventory.CheckOSFacts(&f); err != nil {
		t.Fatal(err)
	}
	if len(f.Mounts) == 0 || f.CPU.Threads == 0 || len(f.Users) == 0 {
		t.Errorf("%+v", f)
	}
	again, err := OSFacts(t.Context(), Machine("test"))
	if err != nil {
		t.Fatal(err)
	}
	again.Listeners, f.Listeners = nil, nil // other tests open sockets
	if differ := inventory.DiffFacts(f, again); len(differ) != 0 {
		t.Logf("differing between two looks: %v", differ)
	}
	b, err := model.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes; cut: %v", len(b), f.Cut)
}

// FuzzOSFacts gives every file the same foreign content.
func FuzzOSFacts(f *testing.F) {
	for _, text := range machineFiles {
		f.Add(text)
	}
	f.Add(`1 2 8:1 / /a\04 rw - ext4 x`)
	f.Add("0: 000000000000000000000000000000000000:00161 0 0A 1 2 3 4 5 6 7")
	dir := f.TempDir()
	for name := range machineFiles {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name := range machineFiles {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := Root{Dir: dir, Size: func(string) (int64, error) { return 1, nil }}
		facts, err := OSFacts(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if err := inventory.CheckOSFacts(&facts); err != nil {
			t.Fatalf("it cannot be accepted: %v", err)
		}
		if _, err := model.Encode(facts); err != nil {
			t.Fatalf("it cannot be stored: %v", err)
		}
	})
}
