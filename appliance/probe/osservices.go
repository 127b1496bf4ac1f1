package probe

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// services lists what runs: under systemd, the units that have a control group of their own with a process in it or
// below it; under OpenRC, what it says was started. Neither needs to be asked anything.
func (o *observer) services() (out []model.Service) {
	for _, root := range []string{"/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice", "/sys/fs/cgroup/unified/system.slice"} {
		if out = o.units(root); len(out) > 0 {
			break
		}
	}
	if len(out) == 0 {
		for _, name := range o.names("services", "/run/openrc/started") {
			out = append(out, model.Service{Unit: word(name), By: "openrc"})
		}
	}
	return bounded(o, "services", out, inventory.MaxServices, func(a, b model.Service) int {
		return cmp.Or(strings.Compare(a.Unit, b.Unit), strings.Compare(a.By, b.By))
	})
}

// maxGroups bounds the control groups that are looked at.
const maxGroups = 20_000

func (o *observer) units(root string) (out []model.Service) {
	seen := 0
	err := filepath.WalkDir(o.path(root), func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			if absent(err) {
				return nil // it ended meanwhile
			}
			o.failed("services", err)
			return nil
		}
		if !e.IsDir() {
			return nil
		}
		if seen++; seen > maxGroups {
			o.cut["services"] = true
			return fs.SkipAll
		}
		name := e.Name()
		if !strings.HasSuffix(name, ".service") {
			return nil
		}
		// Units called run-… are made for one run of something, and gone with it.
		if !strings.HasPrefix(name, "run-") && populated(at) {
			out = append(out, model.Service{Unit: word(name), By: "systemd"})
		}
		return fs.SkipDir
	})
	o.failed("services", err)
	return out
}

// populated reports whether a process is in a control group or below it.
func populated(group string) bool {
	if b, err := readFile(filepath.Join(group, "cgroup.events"), 4096); err == nil {
		return strings.Contains(string(b), "populated 1")
	}
	b, err := readFile(filepath.Join(group, "cgroup.procs"), 1<<20)
	return err == nil && len(b) > 0
}

// listeners reads the kernel's tables of sockets, see proc_net(5).
func (o *observer) listeners(ctx context.Context) []model.Listener {
	local := o.ephemeral()
	type socket struct {
		model.Listener
		inode string
	}
	var found []socket
	for _, protocol := range []string{"tcp", "tcp6", "udp", "udp6"} {
		o.lines("listeners", "/proc/net/"+protocol, func(line string) {
			f := strings.Fields(line)
			if len(f) < 10 {
				return
			}
			at, err := hexAddress(f[1])
			if err != nil {
				return // the heading
			}
			if strings.HasPrefix(protocol, "tcp") {
				if f[3] != "0A" { // not listening
					return
				}
			} else if f[3] != "07" || at.Port() >= local {
				return // connected, or somebody's question that waits for its answer
			}
			found = append(found, socket{model.Listener{Protocol: protocol, Address: at.Addr().String(), Port: int(at.Port())}, f[9]})
		})
	}
	wanted := map[string]string{}
	for _, s := range found {
		wanted[s.inode] = ""
	}
	o.processes(ctx, wanted)
	out := make([]model.Listener, 0, len(found))
	for _, s := range found {
		s.Process = wanted[s.inode]
		out = append(out, s.Listener)
	}
	order := func(a, b model.Listener) int {
		return cmp.Or(strings.Compare(a.Protocol, b.Protocol), strings.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port), strings.Compare(a.Process, b.Process))
	}
	slices.SortFunc(out, order)
	return bounded(o, "listeners", slices.Compact(out), inventory.MaxListeners, order)
}

// ephemeral returns the first of the ports that the kernel gives to those who ask for any.
func (o *observer) ephemeral() uint16 {
	if f := strings.Fields(o.firstLine("/proc/sys/net/ipv4/ip_local_port_range")); len(f) == 2 {
		if n, err := strconv.ParseUint(f[0], 10, 16); err == nil {
			return uint16(n)
		}
	}
	return 32768
}

// maxOpen bounds the open files of processes that are looked at.
const maxOpen = 200_000

// processes finds the names of those who hold the wanted sockets, as far as this agent may see them.
func (o *observer) processes(ctx context.Context, wanted map[string]string) {
	left, open := len(wanted), 0
	for _, pid := range o.names("listeners", "/proc") {
		if left == 0 || ctx.Err() != nil {
			return
		}
		if pid[0] < '0' || pid[0] > '9' {
			continue
		}
		dir := o.path("/proc/" + pid + "/fd")
		files, err := os.ReadDir(dir)
		if err != nil {
			continue // another user's, or gone
		}
		for _, f := range files {
			if open++; open > maxOpen {
				o.cut["listeners"] = true
				return
			}
			to, err := os.Readlink(filepath.Join(dir, f.Name()))
			if err != nil {
				continue
			}
			inode, ok := strings.CutPrefix(to, "socket:[")
			inode = strings.TrimSuffix(inode, "]")
			if name, is := wanted[inode]; ok && is && name == "" {
				if wanted[inode] = o.line("/proc/" + pid + "/comm"); wanted[inode] != "" {
					left--
				}
			}
		}
	}
}

// hexAddress reads ADDRESS:PORT as the kernel writes it.
func hexAddress(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("no port")
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a, err := hexIP(host, true)
	return netip.AddrPortFrom(a, uint16(n)), err
}

// hexIP reads an address in hexadecimal; words: it was written as numbers of 32 bits, each in the order of this
// machine.
func hexIP(s string, words bool) (netip.Addr, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.Addr{}, fmt.Errorf("no address")
	}
	if words {
		for i := 0; i < len(b); i += 4 {
			binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap(), nil
}
