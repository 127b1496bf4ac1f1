package probe

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// maxText bounds what one file of the kernel's is read of.
const maxText = 4 << 20

// OSFacts observes what is too much for the directory row. Nothing of it can fail as a whole: a section that cannot be
// read, or is longer than its bound, is named in Cut, and one that this system does not have is empty. What
// changes by itself from minute to minute is left out.
func OSFacts(ctx context.Context, r Root) (model.OSFacts, error) {
	o := observer{Root: r, cut: map[string]bool{}}
	f := model.OSFacts{
		Mounts: o.mounts(), Disks: o.disks(), Interfaces: o.interfaces(), DMI: r.dmi(), CPU: o.cpu(),
		Services: o.services(), Users: o.users(), Modules: o.modules(), Sysctls: o.sysctls(), TimeZone: r.timeZone(),
	}
	f.Listeners = o.listeners(ctx)
	f.NTP = r.ntp(f.Services)
	f.Cut = slices.Sorted(maps.Keys(o.cut))
	return f, ctx.Err()
}

// observer is one look at a Root.
type observer struct {
	Root
	cut map[string]bool
}

// failed notes that a section is not whole. What is not there is no failure.
func (o *observer) failed(section string, err error) {
	if err != nil && !absent(err) {
		o.cut[section] = true
	}
}

// bounded sorts a section and cuts it.
func bounded[T any](o *observer, section string, list []T, limit int, order func(a, b T) int) []T {
	slices.SortFunc(list, order)
	if len(list) > limit {
		o.cut[section] = true
		list = list[:limit]
	}
	return list
}

// lines calls fn with each line of a file, without its end.
func (o *observer) lines(section, name string, fn func(line string)) {
	b, err := o.read(name, maxText)
	if err != nil {
		o.failed(section, err)
		return
	}
	in := bufio.NewScanner(bytes.NewReader(b))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		fn(in.Text())
	}
	o.failed(section, in.Err())
}

// word is foreign text as one of the short texts of OSFacts.
func word(s string) string { return clip(strings.TrimSpace(s), inventory.MaxFact) }

func (r Root) line(name string) string { return word(r.firstLine(name)) }

func (r Root) number(name string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(r.firstLine(name)), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// names lists a folder.
func (o *observer) names(section, dir string) (out []string) {
	list, err := os.ReadDir(o.path(dir))
	o.failed(section, err)
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func (o *observer) interfaces() (out []model.NetInterface) {
	if o.Interfaces == nil {
		return nil
	}
	list, err := o.Interfaces()
	o.failed("interfaces", err)
	temporary := o.temporary()
	for _, i := range list {
		if i.Flags&net.FlagLoopback != 0 || passing(i.Name) {
			continue
		}
		one := model.NetInterface{Name: word(i.Name), MTU: max(i.MTU, 0), Up: i.Flags&net.FlagUp != 0}
		if n := len(i.MAC); n == 6 || n == 8 || n == 20 {
			one.MAC = i.MAC.String()
		}
		one.SpeedMbit = int(min(o.number("/sys/class/net/"+filepath.Base(i.Name)+"/speed"), 1<<30))
		for _, a := range i.Addrs {
			if p, err := netip.ParsePrefix(a); err == nil && !temporary[p.Addr()] {
				one.Addresses = append(one.Addresses, netip.PrefixFrom(p.Addr().WithZone(""), p.Bits()).String())
			}
		}
		slices.Sort(one.Addresses)
		if one.Addresses = slices.Compact(one.Addresses); len(one.Addresses) > inventory.MaxInterfaceAddresses {
			o.cut["interfaces"] = true
			one.Addresses = one.Addresses[:inventory.MaxInterfaceAddresses]
		}
		out = append(out, one)
	}
	return bounded(o, "interfaces", out, inventory.MaxInterfaces, func(a, b model.NetInterface) int { return strings.Compare(a.Name, b.Name) })
}

// passing reports whether an interface is the host's end of the cable of a container or a virtual machine, which come
// and go with those.
func passing(name string) bool {
	for _, p := range []string{"veth", "cali", "lxc", "vnet", "tap"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// temporary returns the IPv6 addresses that the kernel makes anew every day, for privacy.
func (o *observer) temporary() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	o.lines("interfaces", "/proc/net/if_inet6", func(line string) {
		f := strings.Fields(line)
		if len(f) < 6 || len(f[0]) != 32 {
			return
		}
		flags, err := strconv.ParseUint(f[4], 16, 16)
		ip, bad := hexIP(f[0], false)
		if err == nil && bad == nil && flags&0x01 != 0 {
			out[ip] = true
		}
	})
	return out
}

func (r Root) dmi() model.DMI {
	at := func(name string) string { return r.line("/sys/class/dmi/id/" + name) }
	return model.DMI{
		Vendor: at("sys_vendor"), Product: at("product_name"), Version: at("product_version"), Board: at("board_name"),
		BIOSVendor: at("bios_vendor"), BIOSVersion: at("bios_version"), BIOSDate: at("bios_date"), Chassis: at("chassis_type"),
	}
}

func (o *observer) cpu() model.CPU {
	c := model.CPU{Threads: o.cpus()}
	sockets, cores := map[string]bool{}, map[[2]string]bool{}
	var socket string
	o.lines("cpu", "/proc/cpuinfo", func(line string) {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return
		}
		value = word(value)
		switch strings.TrimSpace(name) {
		case "vendor_id", "CPU implementer":
			c.Vendor = cmp.Or(c.Vendor, value)
		case "model name", "cpu model", "CPU part":
			c.Model = cmp.Or(c.Model, value)
		case "physical id":
			socket = value
			sockets[value] = true
		case "core id":
			cores[[2]string{socket, value}] = true
		}
	})
	c.Sockets, c.Cores = len(sockets), len(cores)
	return c
}

// noShell are the shells of accounts that nobody logs in to.
var noShell = map[string]bool{"nologin": true, "false": true, "true": true, "sync": true, "halt": true, "shutdown": true}

func (o *observer) users() (out []model.User) {
	o.lines("users", "/etc/passwd", func(line string) {
		f := strings.Split(line, ":")
		if len(f) != 7 || f[0] == "" || strings.HasPrefix(line, "#") {
			return
		}
		uid, bad1 := strconv.ParseUint(f[2], 10, 32)
		gid, bad2 := strconv.ParseUint(f[3], 10, 32)
		shell := cmp.Or(f[6], "/bin/sh")
		if bad1 != nil || bad2 != nil || noShell[filepath.Base(shell)] {
			return
		}
		out = append(out, model.User{Name: word(f[0]), UID: uint32(uid), GID: uint32(gid), Home: word(f[5]), Shell: word(shell)})
	})
	return bounded(o, "users", out, inventory.MaxUsers, func(a, b model.User) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), strings.Compare(a.Name, b.Name))
	})
}

func (o *observer) modules() (out []string) {
	o.lines("modules", "/proc/modules", func(line string) {
		if name, _, _ := strings.Cut(line, " "); name != "" {
			out = append(out, word(name))
		}
	})
	return bounded(o, "modules", out, inventory.MaxModules, strings.Compare)
}

// sysctls are the settings that audits ask for.
var sysctls = []string{
	"fs.file-max", "fs.protected_fifos", "fs.protected_hardlinks", "fs.protected_regular", "fs.protected_symlinks", "fs.suid_dumpable",
	"kernel.core_pattern", "kernel.dmesg_restrict", "kernel.kexec_load_disabled", "kernel.kptr_restrict", "kernel.modules_disabled",
	"kernel.panic", "kernel.perf_event_paranoid", "kernel.randomize_va_space", "kernel.sysrq", "kernel.unprivileged_bpf_disabled",
	"kernel.yama.ptrace_scope", "net.core.somaxconn", "net.ipv4.conf.all.accept_redirects", "net.ipv4.conf.all.accept_source_route",
	"net.ipv4.conf.all.log_martians", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.send_redirects",
	"net.ipv4.icmp_echo_ignore_broadcasts", "net.ipv4.ip_forward", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
	"net.ipv6.conf.all.accept_ra", "net.ipv6.conf.all.accept_redirects", "net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.all.forwarding",
	"vm.max_map_count", "vm.overcommit_memory", "vm.swappiness",
}

func (o *observer) sysctls() (out []model.Sysctl) {
	for _, name := range sysctls {
		b, err := o.read("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), 4096)
		if err != nil {
			continue // another kernel, or not for everybody's eyes
		}
		out = append(out, model.Sysctl{Name: name, Value: word(strings.Join(strings.Fields(string(b)), " "))})
	}
	return out
}

func (r Root) timeZone() string {
	if to, err := os.Readlink(r.path("/etc/localtime")); err == nil {
		if _, zone, ok := strings.Cut(to, "zoneinfo/"); ok {
			return word(zone)
		}
	}
	return r.line("/etc/timezone")
}

// timekeepers are the programs that keep clocks right, by what their units are called.
var timekeepers = []string{"chrony", "chronyd", "ntpd", "ntp", "ntpsec", "openntpd", "systemd-timesyncd"}

func (r Root) ntp(services []model.Service) (n model.NTP) {
	for _, s := range services {
		if unit := strings.TrimSuffix(s.Unit, ".service"); slices.Contains(timekeepers, unit) {
			n.Service = unit
			break
		}
	}
	if r.Synchronised != nil {
		n.Synchronised = r.Synchronised()
	}
	return n
}
