package probe

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/common"
	"github.com/shirou/gopsutil/v4/host"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const (
	maxAddrs    = 16 // model.Facts: of each family, and of MACs
	maxName     = 253
	nameTimeout = 2 * time.Second // for the name service, which may not be there at all
)

// Facts observes what fits into the directory row. It fails only where not even a host name can be
// learned; all else that is missing stays empty. It may block for two seconds on the name service.
func Facts(ctx context.Context, r Root) (model.Facts, error) {
	f := model.Facts{AgentVersion: r.Version}
	f.Hostname = r.hostname()
	if f.Hostname == "" {
		return f, fault.New(fault.NotFound, "probe facts", "this machine has no host name: set one with hostnamectl or in /etc/hostname")
	}
	f.FQDN = r.fqdn(ctx, f.Hostname)
	if r.Interfaces != nil {
		list, err := r.Interfaces()
		if err != nil {
			return f, fault.New(fault.Other, "probe facts", "list network interfaces: %w", err)
		}
		f.IPv4, f.IPv6, f.MAC = addresses(list)
	}
	os, err := OS(r)
	if err != nil {
		return f, err
	}
	f.OS = os
	// Each of these is left empty where the kernel does not say.
	f.Kernel, _ = host.KernelVersion()
	f.Arch, _ = host.KernelArch()
	proc := context.WithValue(ctx, common.EnvKey, common.EnvMap{
		common.HostProcEnvKey: r.path("/proc"), common.HostRunEnvKey: r.path("/run"),
		common.HostEtcEnvKey: r.path("/etc"), common.HostRootEnvKey: r.path("/"),
	})
	if sec, err := host.BootTimeWithContext(proc); err == nil {
		f.BootedAt = model.TimeOf(time.Unix(int64(sec), 0))
	}
	f.Kernel, f.Arch = clip(f.Kernel, 256), clip(f.Arch, 64)
	f.RebootNeeded = r.rebootNeeded()
	f.CPUs, f.MemoryMB, f.Serial = r.cpus(), r.memoryMB(), r.serial()
	return f, nil
}

func (r Root) hostname() string {
	name := r.firstLine("/proc/sys/kernel/hostname")
	if name == "" || name == "(none)" {
		name = r.firstLine("/etc/hostname")
	}
	return clip(name, maxName)
}

// fqdn returns the full name of this host, or "" where nobody knows one. The order is that of
// hostname --fqdn: the name itself, /etc/hosts, the name service.
func (r Root) fqdn(ctx context.Context, hostname string) string {
	if strings.Contains(hostname, ".") {
		return hostname
	}
	if b, err := r.read("/etc/hosts", 1<<20); err == nil {
		if name := hostsName(string(b), hostname); name != "" {
			return clip(name, maxName)
		}
	}
	if r.Canonical == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	name, err := r.Canonical(ctx, hostname)
	if err != nil || !strings.HasPrefix(strings.ToLower(name), strings.ToLower(hostname)+".") {
		return ""
	}
	return clip(strings.TrimSuffix(name, "."), maxName)
}

// hostsName finds the full name that hosts(5) gives to hostname: the first name of a line that also
// has hostname.
func hostsName(hosts, hostname string) string {
	for line := range strings.Lines(hosts) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 || !slices.Contains(fields[1:], hostname) {
			continue
		}
		for _, name := range fields[1:] {
			if strings.HasPrefix(name, hostname+".") {
				return name
			}
		}
	}
	return ""
}

func canonical(ctx context.Context, hostname string) (string, error) {
	return net.DefaultResolver.LookupCNAME(ctx, hostname)
}

func interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out []Interface
	for _, i := range list {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away since it was listed
		}
		one := Interface{Name: i.Name, MTU: i.MTU, Flags: i.Flags, MAC: i.HardwareAddr}
		for _, a := range addrs {
			one.Addrs = append(one.Addrs, a.String())
		}
		out = append(out, one)
	}
	return out, nil
}

// addresses picks what others can reach this host by. An interface that is down, or up with nothing
// behind it (a container bridge without containers), does not count; nor does one without such an
// address, as the host's ends of its containers' cables are.
func addresses(list []Interface) (v4, v6, mac []string) {
	for _, i := range list {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		found := false
		for _, text := range i.Addrs {
			text, _, _ = strings.Cut(text, "/")
			a, err := netip.ParseAddr(text)
			if err != nil || !a.IsGlobalUnicast() {
				continue
			}
			found = true
			if a = a.Unmap().WithZone(""); a.Is4() {
				v4 = append(v4, a.String())
			} else {
				v6 = append(v6, a.String())
			}
		}
		if n := len(i.MAC); found && (n == 6 || n == 8 || n == 20) { // of Ethernet, EUI-64, InfiniBand; tunnels have odd ones
			mac = append(mac, i.MAC.String())
		}
	}
	return distinct(v4), distinct(v6), distinct(mac)
}

func distinct(s []string) []string {
	slices.Sort(s)
	s = slices.Compact(s)
	return s[:min(len(s), maxAddrs)]
}

// rebootNeeded reads the mark that Debian and its relatives leave. Where the mark is absent it means
// "no" only if something is installed that would have left it; elsewhere nobody knows.
func (r Root) rebootNeeded() *bool {
	if slices.ContainsFunc([]string{"/run/reboot-required", "/var/run/reboot-required"}, r.exists) {
		return new(true)
	}
	if slices.ContainsFunc([]string{
		"/usr/share/update-notifier/notify-reboot-required", "/etc/kernel/postinst.d/unattended-upgrades",
		"/etc/kernel/postinst.d/update-notifier",
	}, r.exists) {
		return new(false)
	}
	return nil
}
