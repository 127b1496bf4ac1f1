package inventory

import (
	"net/netip"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of the sections of model.OSFacts, in rows, and of their texts, in bytes.
const (
	MaxMounts             = 512
	MaxDisks              = 256
	MaxInterfaces         = 256
	MaxInterfaceAddresses = 64
	MaxServices           = 1024
	MaxListeners          = 1024
	MaxUsers              = 1024
	MaxModules            = 1024
	MaxSysctls            = 64
	MaxCut                = 32
	MaxFact               = 512
	MaxFactPath           = 4096
)

// CheckOSFacts reports what is out of bounds in what an agent observed of its system: fault.TooLarge for what is too
// long or too many, and fault.Invalid for the rest.
func CheckOSFacts(f *model.OSFacts) error {
	for _, s := range [...]struct {
		name     string
		n, limit int
	}{
		{"mounts", len(f.Mounts), MaxMounts},
		{"disks", len(f.Disks), MaxDisks},
		{"interfaces", len(f.Interfaces), MaxInterfaces},
		{"services", len(f.Services), MaxServices},
		{"listeners", len(f.Listeners), MaxListeners},
		{"users", len(f.Users), MaxUsers},
		{"modules", len(f.Modules), MaxModules},
		{"sysctls", len(f.Sysctls), MaxSysctls},
		{"sections that were cut", len(f.Cut), MaxCut},
	} {
		if s.n > s.limit {
			return fault.New(fault.TooLarge, op, "%d %s are more than %d", s.n, s.name, s.limit)
		}
	}
	d, c := f.DMI, f.CPU
	if err := texts(MaxFact, pair{"vendor", d.Vendor}, pair{"product", d.Product}, pair{"version", d.Version}, pair{"board", d.Board},
		pair{"BIOS vendor", d.BIOSVendor}, pair{"BIOS version", d.BIOSVersion}, pair{"BIOS date", d.BIOSDate}, pair{"chassis", d.Chassis},
		pair{"processor's vendor", c.Vendor}, pair{"processor", c.Model}, pair{"time zone", f.TimeZone}, pair{"time service", f.NTP.Service}); err != nil {
		return err
	}
	if err := numbers(number{"sockets", c.Sockets, MaxCPUs}, number{"cores", c.Cores, MaxCPUs}, number{"threads", c.Threads, MaxCPUs}); err != nil {
		return err
	}
	for _, list := range [][]string{f.Modules, f.Cut} {
		for _, m := range list {
			if err := texts(MaxFact, pair{"name", m}); err != nil {
				return err
			}
		}
	}
	if err := checkStorage(f); err != nil {
		return err
	}
	return checkRunning(f)
}

func checkStorage(f *model.OSFacts) error {
	for _, m := range f.Mounts {
		if err := texts(MaxFactPath, pair{"mount", m.Source}, pair{"mount point", m.Target}); err != nil {
			return err
		}
		if err := texts(MaxFact, pair{"file system", m.Type}, pair{"mount options", m.Options}); err != nil {
			return err
		}
		if m.SizeMB < 0 {
			return fault.New(fault.Invalid, op, "the file system at %q has %d MiB", fault.Clip(m.Target, 48), m.SizeMB)
		}
	}
	for _, d := range f.Disks {
		if err := texts(MaxFact, pair{"disk", d.Name}, pair{"model of a disk", d.Model}, pair{"serial number of a disk", d.Serial}); err != nil {
			return err
		}
		if d.SizeMB < 0 {
			return fault.New(fault.Invalid, op, "the disk %q has %d MiB", fault.Clip(d.Name, 48), d.SizeMB)
		}
	}
	return nil
}

func checkRunning(f *model.OSFacts) error {
	for _, i := range f.Interfaces {
		if err := texts(MaxFact, pair{"interface", i.Name}); err != nil {
			return err
		}
		if len(i.Addresses) > MaxInterfaceAddresses {
			return fault.New(fault.TooLarge, op, "%d addresses of one interface are more than %d", len(i.Addresses), MaxInterfaceAddresses)
		}
		for _, a := range i.Addresses {
			if p, err := netip.ParsePrefix(a); err != nil || p.Addr().Zone() != "" {
				return fault.New(fault.Invalid, op, "%q is no address with its network", fault.Clip(a, 48))
			}
		}
		if i.MAC != "" && !isMAC(i.MAC) {
			return fault.New(fault.Invalid, op, "%q is no MAC address in lower case with colons", fault.Clip(i.MAC, 32))
		}
		if err := numbers(number{"bytes of MTU", i.MTU, 1 << 30}, number{"Mbit/s", i.SpeedMbit, 1 << 30}); err != nil {
			return err
		}
	}
	for _, s := range f.Services {
		if err := texts(MaxFact, pair{"unit", s.Unit}, pair{"keeper of a service", s.By}); err != nil {
			return err
		}
	}
	for _, l := range f.Listeners {
		if err := texts(MaxFact, pair{"protocol", l.Protocol}, pair{"address", l.Address}, pair{"process", l.Process}); err != nil {
			return err
		}
		if err := numbers(number{"as a port", l.Port, 65535}); err != nil {
			return err
		}
	}
	for _, u := range f.Users {
		if err := texts(MaxFact, pair{"user", u.Name}, pair{"home", u.Home}, pair{"shell", u.Shell}); err != nil {
			return err
		}
	}
	for _, s := range f.Sysctls {
		if err := texts(MaxFact, pair{"setting", s.Name}, pair{"value of a setting", s.Value}); err != nil {
			return err
		}
	}
	return nil
}
