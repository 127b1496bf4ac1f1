package model

// OSFacts is what an agent observes of its host beyond the directory row. It stays at the site, in the
// detail tier. What changes from minute to minute (load, free space, counters) is left out, so that equal
// machines have equal facts and a version is written when something really changed. Every list is sorted and
// bounded; a section that was cut, or could not be read, is named in Cut.
type OSFacts struct {
	Mounts     []Mount        `json:"mounts,omitzero"`     // by target; at most 512
	Disks      []Disk         `json:"disks,omitzero"`      // by name; at most 256
	Interfaces []NetInterface `json:"interfaces,omitzero"` // by name; at most 256
	DMI        DMI            `json:"dmi,omitzero"`
	CPU        CPU            `json:"cpu,omitzero"`
	Services   []Service      `json:"services,omitzero"`  // by unit; at most 1,024
	Listeners  []Listener     `json:"listeners,omitzero"` // by protocol, address, port; at most 1,024
	Users      []User         `json:"users,omitzero"`     // who can log in, by uid; at most 1,024
	Modules    []string       `json:"modules,omitzero"`   // of the kernel, by name; at most 1,024
	Sysctls    []Sysctl       `json:"sysctls,omitzero"`   // of interest, by name; at most 64
	TimeZone   string         `json:"time_zone,omitzero"` // as in Europe/Berlin
	NTP        NTP            `json:"ntp,omitzero"`
	Cut        []string       `json:"cut,omitzero"` // names of sections that are not whole, as in the JSON; sorted
}

// Mount is one mounted file system that holds data; the kernel's own are left out.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Type     string `json:"type"`
	ReadOnly bool   `json:"read_only,omitzero"`
	Options  string `json:"options,omitzero"` // with commas, as the kernel writes them
	SizeMB   int64  `json:"size_mb,omitzero"` // zero: not known
}

// Disk is one block device that is no part of another.
type Disk struct {
	Name       string `json:"name"` // sda, nvme0n1
	Model      string `json:"model,omitzero"`
	Serial     string `json:"serial,omitzero"`
	SizeMB     int64  `json:"size_mb,omitzero"`
	Rotational bool   `json:"rotational,omitzero"`
	Removable  bool   `json:"removable,omitzero"`
}

// NetInterface is one network interface.
type NetInterface struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac,omitzero"`
	MTU       int      `json:"mtu,omitzero"`
	Up        bool     `json:"up,omitzero"`
	SpeedMbit int      `json:"speed_mbit,omitzero"`
	Addresses []string `json:"addresses,omitzero"` // CIDR, sorted; at most 64
}

// DMI is what the firmware says of the machine.
type DMI struct {
	Vendor      string `json:"vendor,omitzero"`
	Product     string `json:"product,omitzero"`
	Version     string `json:"version,omitzero"`
	Board       string `json:"board,omitzero"`
	BIOSVendor  string `json:"bios_vendor,omitzero"`
	BIOSVersion string `json:"bios_version,omitzero"`
	BIOSDate    string `json:"bios_date,omitzero"`
	Chassis     string `json:"chassis,omitzero"`
}

// CPU is the processor.
type CPU struct {
	Vendor  string `json:"vendor,omitzero"`
	Model   string `json:"model,omitzero"`
	Sockets int    `json:"sockets,omitzero"`
	Cores   int    `json:"cores,omitzero"`   // of all sockets
	Threads int    `json:"threads,omitzero"` // logical processors
}

// Service is a running unit of systemd, or on a host without it a process that stands for one.
type Service struct {
	Unit string `json:"unit"`
	By   string `json:"by"` // systemd, openrc
}

// Listener is an open socket that waits for others.
type Listener struct {
	Protocol string `json:"protocol"` // tcp, tcp6, udp, udp6
	Address  string `json:"address"`
	Port     int    `json:"port"`
	Process  string `json:"process,omitzero"` // its name, where this agent may see it
}

// User is an account that can log in with a shell.
type User struct {
	Name  string `json:"name"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Home  string `json:"home,omitzero"`
	Shell string `json:"shell"`
}

// Sysctl is one setting of the kernel.
type Sysctl struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// NTP is who keeps the clock right.
type NTP struct {
	Synchronised *bool  `json:"synchronised,omitzero"` // nil: this system does not tell
	Service      string `json:"service,omitzero"`      // chronyd, systemd-timesyncd, ntpd
}
