package probe

import (
	"strconv"
	"strings"
)

const maxProcessors = 1 << 20 // more than any machine has: beyond it the list is not believed

// cpus returns how many logical processors are online; zero where the kernel does not say.
func (r Root) cpus() int {
	if n := listLen(r.firstLine("/sys/devices/system/cpu/online")); n > 0 {
		return n
	}
	b, err := r.read("/proc/cpuinfo", 4<<20) // where /sys is hidden, as in some containers
	if err != nil {
		return 0
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "processor" {
			n++
		}
	}
	return n
}

// listLen counts the members of a list as cpuset(7) writes it: 0-3,8,10-11. It is zero for what is no
// such list.
func listLen(list string) int {
	total := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		if err != nil || a < 0 {
			return 0
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(last); err != nil || b < a {
				return 0
			}
		}
		if b >= maxProcessors {
			return 0
		}
		if total += b - a + 1; total > maxProcessors {
			return 0
		}
	}
	return total
}

// memoryMB returns the memory that the kernel manages, in MiB and rounded up; zero where it does not say.
func (r Root) memoryMB() int {
	b, err := r.read("/proc/meminfo", 1<<20)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, "MemTotal:")
		if !ok {
			continue
		}
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 40)
		if err != nil {
			return 0
		}
		return int((kb + 1023) / 1024)
	}
	return 0
}

// noSerials are what makers of boards leave where a serial number belongs, in lower case.
var noSerials = map[string]bool{
	"to be filled by o.e.m.": true, "default string": true, "system serial number": true, "not specified": true, "not applicable": true,
	"none": true, "n/a": true, "unknown": true, "chassis serial number": true, "123456789": true, "0123456789": true, "invalid": true,
}

// serial returns the serial number of the machine as its firmware has it: DMI, which most kernels show
// to root alone, or the device tree. It is empty where neither can be read or nobody filled it in.
func (r Root) serial() string {
	for _, name := range []string{"/sys/class/dmi/id/product_serial", "/sys/firmware/devicetree/base/serial-number"} {
		s := clip(r.firstLine(name), 256)
		if s != "" && !noSerials[strings.ToLower(s)] && strings.Trim(s, "0. -") != "" {
			return s
		}
	}
	return ""
}
