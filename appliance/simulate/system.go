package simulate

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// What the systems of simulated hosts are made of.
var (
	makers = []model.DMI{
		{Vendor: "Dell Inc.", Product: "PowerEdge R650", BIOSVendor: "Dell Inc.", BIOSVersion: "1.13.2", BIOSDate: "12/19/2023"},
		{Vendor: "HPE", Product: "ProLiant DL360 Gen10", BIOSVendor: "HPE", BIOSVersion: "U32", BIOSDate: "03/09/2023"},
		{Vendor: "QEMU", Product: "Standard PC (Q35 + ICH9, 2009)", BIOSVendor: "SeaBIOS", BIOSVersion: "1.16.2", BIOSDate: "04/01/2014"},
		{Vendor: "VMware, Inc.", Product: "VMware7,1", BIOSVendor: "VMware, Inc.", BIOSVersion: "VMW71.00V", BIOSDate: "10/11/2022"},
	}
	processors = []model.CPU{
		{Vendor: "GenuineIntel", Model: "Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz"},
		{Vendor: "AuthenticAMD", Model: "AMD EPYC 7543 32-Core Processor"},
	}
	everywhere = []string{"cron", "dbus", "ssh", "systemd-journald", "systemd-logind", "systemd-udevd"}
	sometimes  = []string{"apache2", "docker", "mariadb", "named", "nginx", "postfix", "postgresql@15-main", "prometheus-node-exporter", "redis-server", "rsyslog"}
	ports      = map[string]int{"apache2": 80, "mariadb": 3306, "named": 53, "nginx": 443, "postfix": 25, "postgresql@15-main": 5432, "prometheus-node-exporter": 9100, "redis-server": 6379}
	modules    = []string{"af_packet", "crc32c_intel", "dm_mod", "ext4", "ip_tables", "jbd2", "mbcache", "nf_conntrack", "nf_tables", "sd_mod", "sg", "virtio_net", "xfs"}
	settings   = []model.Sysctl{
		{Name: "fs.protected_hardlinks", Value: "1"},
		{Name: "fs.protected_symlinks", Value: "1"},
		{Name: "kernel.dmesg_restrict", Value: "1"},
		{Name: "kernel.kptr_restrict", Value: "0"},
		{Name: "kernel.randomize_va_space", Value: "2"},
		{Name: "net.ipv4.ip_forward", Value: "0"},
		{Name: "net.ipv4.tcp_syncookies", Value: "1"},
		{Name: "vm.swappiness", Value: "60"},
	}
)

// systemOf makes the facts of a host's system, the same for the same draws and facts.
func systemOf(r *rand.Rand, f model.Facts) model.OSFacts {
	s := model.OSFacts{
		DMI: makers[r.IntN(len(makers))], CPU: processors[r.IntN(len(processors))], TimeZone: "Etc/UTC",
		Sysctls: slices.Clone(settings), NTP: model.NTP{Synchronised: new(r.IntN(50) > 0), Service: "chrony"},
	}
	s.CPU.Threads = max(f.CPUs, 1)
	s.CPU.Cores, s.CPU.Sockets = max(s.CPU.Threads/2, 1), 1
	size := int64(16<<10) << r.IntN(7)
	s.Disks = []model.Disk{{Name: "sda", SizeMB: size, Model: "SSD", Serial: fmt.Sprintf("%08X", r.Uint32())}}
	s.Mounts = []model.Mount{
		{Source: "/dev/sda1", Target: "/", Type: "ext4", Options: "rw,relatime", SizeMB: size / 4},
		{Source: "/dev/sda2", Target: "/var", Type: "xfs", Options: "rw,relatime,nodev", SizeMB: size / 2},
	}
	eth := model.NetInterface{Name: "eth0", MTU: 1500, Up: true, SpeedMbit: 1000 << (r.IntN(2) * 3)}
	if len(f.MAC) > 0 {
		eth.MAC = f.MAC[0]
	}
	for _, a := range f.IPv4 {
		eth.Addresses = append(eth.Addresses, a+"/24")
	}
	for _, a := range f.IPv6 {
		eth.Addresses = append(eth.Addresses, a+"/64")
	}
	slices.Sort(eth.Addresses)
	s.Interfaces = []model.NetInterface{eth}
	units := append(slices.Clone(everywhere), "chrony")
	s.Listeners = []model.Listener{{Protocol: "tcp", Address: "0.0.0.0", Port: 22, Process: "sshd"}}
	for _, unit := range sometimes {
		if r.IntN(4) > 0 {
			continue
		}
		units = append(units, unit)
		if port := ports[unit]; port > 0 {
			s.Listeners = append(s.Listeners, model.Listener{Protocol: "tcp", Address: "0.0.0.0", Port: port, Process: unit})
		}
	}
	slices.Sort(units)
	for _, unit := range units {
		s.Services = append(s.Services, model.Service{Unit: unit + ".service", By: "systemd"})
	}
	slices.SortFunc(s.Listeners, func(a, b model.Listener) int { return cmp.Compare(a.Port, b.Port) })
	s.Users = []model.User{{Name: "root", Home: "/root", Shell: "/bin/bash"}}
	for i := range r.IntN(3) {
		id := uint32(1000 + i)
		name := fmt.Sprint("user", id)
		s.Users = append(s.Users, model.User{Name: name, UID: id, GID: id, Home: "/home/" + name, Shell: "/bin/bash"})
	}
	for _, m := range modules {
		if r.IntN(8) > 0 {
			s.Modules = append(s.Modules, m)
		}
	}
	if strings.HasPrefix(f.OS.ID, "windows") { // nothing of that is there
		s.Mounts, s.Modules, s.Sysctls, s.Services, s.Users, s.Listeners = nil, nil, nil, nil, nil, nil
	}
	return s
}
