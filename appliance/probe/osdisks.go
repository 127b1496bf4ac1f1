package probe

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// noData are file systems that the kernel makes up, or that are in memory.
var noData = map[string]bool{
	"autofs": true, "binfmt_misc": true, "bpf": true, "cgroup": true, "cgroup2": true, "configfs": true, "debugfs": true, "devpts": true,
	"devtmpfs": true, "efivarfs": true, "fusectl": true, "hugetlbfs": true, "mqueue": true, "nsfs": true, "proc": true, "pstore": true,
	"ramfs": true, "rpc_pipefs": true, "securityfs": true, "selinuxfs": true, "squashfs": true, "sysfs": true, "tmpfs": true, "tracefs": true,
}

// elsewhere are file systems whose server may not answer, which would hold up whoever asks for their size.
func elsewhere(kind string) bool {
	switch kind {
	case "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "lustre", "afs", "9p", "virtiofs", "ncpfs":
		return true
	}
	return strings.HasPrefix(kind, "fuse")
}

// mounts reads mountinfo, see proc_pid_mountinfo(5).
func (o *observer) mounts() []model.Mount {
	at := map[string]model.Mount{}
	var order []string
	o.lines("mounts", "/proc/self/mountinfo", func(line string) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 2 {
			return
		}
		kind, target := g[0], unescape(f[4])
		if noData[kind] || kind == "overlay" && target != "/" || strings.HasPrefix(target, "/proc/") || strings.HasPrefix(target, "/sys/") {
			return
		}
		m := model.Mount{
			Source: where(unescape(g[1])), Target: where(target), Type: word(kind), Options: word(f[5]),
			ReadOnly: strings.HasPrefix(f[5]+",", "ro,"),
		}
		if !elsewhere(kind) && o.Size != nil {
			if n, err := o.Size(o.path(target)); err == nil {
				m.SizeMB = max(n, 0)
			}
		}
		if _, again := at[target]; !again {
			order = append(order, target)
		}
		at[target] = m // the last one mounted there is the one that is seen
	})
	out := make([]model.Mount, 0, len(order))
	for _, target := range order {
		out = append(out, at[target])
	}
	return bounded(o, "mounts", out, inventory.MaxMounts, func(a, b model.Mount) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Source, b.Source))
	})
}

// where is a foreign path as a text of OSFacts.
func where(s string) string { return clip(s, inventory.MaxFactPath) }

// unescape reads what the kernel writes for white space in a path: a backslash and three octal digits.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// disks lists block devices that are no part of others: no partitions, no volumes made of disks, no loops.
func (o *observer) disks() (out []model.Disk) {
	for _, name := range o.names("disks", "/sys/block") {
		skip := false
		for _, p := range []string{"loop", "ram", "zram", "dm-", "md", "nbd", "sr", "fd"} {
			skip = skip || strings.HasPrefix(name, p)
		}
		at := "/sys/block/" + name + "/"
		sectors := o.number(at + "size") // of 512 bytes, whatever the disk's are
		if skip || sectors == 0 {
			continue
		}
		out = append(out, model.Disk{
			Name: word(name), Model: o.line(at + "device/model"), Serial: o.line(at + "device/serial"), SizeMB: sectors / 2048,
			Rotational: o.number(at+"queue/rotational") == 1, Removable: o.number(at+"removable") == 1,
		})
	}
	return bounded(o, "disks", out, inventory.MaxDisks, func(a, b model.Disk) int { return strings.Compare(a.Name, b.Name) })
}
