package probe

import (
	"os"
	"path/filepath"
	"testing"
)

// tree makes a root of files.
func tree(t *testing.T, files map[string]string) Root {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Root{Dir: dir}
}

func TestProcessors(t *testing.T) {
	const online = "/sys/devices/system/cpu/online"
	for _, tc := range []struct {
		files map[string]string
		want  int
	}{
		{nil, 0},
		{map[string]string{online: "0\n"}, 1},
		{map[string]string{online: "0-63\n"}, 64},
		{map[string]string{online: "0-3,8,10-11\n"}, 7},
		{map[string]string{online: "3-0\n"}, 0},
		{map[string]string{online: "0-99999999999999999999\n"}, 0},
		{map[string]string{online: "0-1048576\n"}, 0},
		{map[string]string{online: "-1\n"}, 0},
		{map[string]string{online: "all\n"}, 0},
		{map[string]string{"/proc/cpuinfo": "processor\t: 0\nmodel name\t: x: processor\n\nprocessor\t: 1\n"}, 2},
	} {
		if got := tree(t, tc.files).cpus(); got != tc.want {
			t.Errorf("%q: %d, want %d", tc.files, got, tc.want)
		}
	}
}

func TestMemory(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "MemFree: 12 kB\n": 0, "MemTotal:       16303428 kB\n": 15922, "MemFree: 1 kB\nMemTotal: 1 kB\n": 1, "MemTotal: 1024 kB": 1,
		"MemTotal: lots kB\n": 0, "MemTotal: -5 kB\n": 0, "MemTotal: 99999999999999999999 kB\n": 0,
	} {
		if got := tree(t, map[string]string{"/proc/meminfo": text}).memoryMB(); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestSerial(t *testing.T) {
	const dmi, device = "/sys/class/dmi/id/product_serial", "/sys/firmware/devicetree/base/serial-number"
	for _, tc := range []struct {
		files map[string]string
		want  string
	}{
		{nil, ""},
		{map[string]string{dmi: "VMware-42 1d 5b\n"}, "VMware-42 1d 5b"},
		{map[string]string{dmi: "To Be Filled By O.E.M.\n"}, ""},
		{map[string]string{dmi: "00000000\n"}, ""},
		{map[string]string{dmi: "Default string\n", device: "10000000c53f4b2a\x00"}, "10000000c53f4b2a"},
		{map[string]string{dmi: "\x1b[31mX\xff\n"}, "[31mX\uFFFD"},
	} {
		if got := tree(t, tc.files).serial(); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.files, got, tc.want)
		}
	}
}
