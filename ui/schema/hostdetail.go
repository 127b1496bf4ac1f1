package schema

import "time"

// Answered is what every answer out of the detail tier of a host's site begins with.
type Answered struct {
	HostID     string     `json:"host_id"`
	Hostname   string     `json:"hostname"`
	AnsweredBy string     `json:"answered_by" doc:"the site that answered"`
	AnsweredAt time.Time  `json:"answered_at"`
	AsOf       *time.Time `json:"as_of,omitempty" doc:"when it was observed"`
	Digest     string     `json:"digest,omitempty" doc:"SHA-256 of the whole of it"`
	Total      int        `json:"total" doc:"rows, or bytes of output, of all pages"`
	Next       string     `json:"next,omitempty" doc:"pass as cursor= for the next page"`
	Lacking    string     `json:"lacking,omitempty" doc:"why there is nothing, or not all"`
}

// HostPackages is a page of what is installed on a host.
type HostPackages struct {
	Answered
	OS       string    `json:"os,omitempty"`
	Packages []Package `json:"packages"`
}

// HostCertificates is a page of the certificates on a host.
type HostCertificates struct {
	Answered
	Certificates []Certificate `json:"certificates"`
}

// HostFacts is what is known of a host's system beyond its row.
type HostFacts struct {
	Answered
	Facts OSFacts `json:"facts"`
}

// CommandOutput is a page of what a command printed on a host.
type CommandOutput struct {
	Answered
	Command string `json:"command"`
	Offset  int    `json:"offset" doc:"of text, in bytes"`
	Text    string `json:"text"`
	Size    int64  `json:"size" doc:"bytes that the command printed; more than total where not all was kept"`
}

// HostHistory is versions of what a host had, the newest first.
type HostHistory struct {
	Answered
	Kind     string        `json:"kind" enum:"packages,certificates,facts"`
	Versions []HostVersion `json:"versions,omitempty"`
	// Diff is there where two versions were asked for.
	Diff *HostDiff `json:"diff,omitempty"`
}

// HostVersion is one version of what a host had.
type HostVersion struct {
	N       uint64     `json:"n" doc:"rises with each change"`
	At      time.Time  `json:"at" doc:"when the site stored it"`
	AsOf    *time.Time `json:"as_of,omitempty" doc:"when it was observed"`
	Digest  string     `json:"digest"`
	Size    int        `json:"size" doc:"bytes"`
	Current bool       `json:"current,omitempty"`
	Added   *int       `json:"added,omitempty" doc:"since the version before; absent: not known"`
	Removed *int       `json:"removed,omitempty"`
	Changed *int       `json:"changed,omitempty"`
}

// HostDiff is what turns one version into another.
type HostDiff struct {
	From                HostVersion         `json:"from"`
	To                  HostVersion         `json:"to"`
	OSFrom              string              `json:"os_from,omitempty" doc:"where the system itself differs"`
	OSTo                string              `json:"os_to,omitempty"`
	AddedPackages       []DiffPackage       `json:"added_packages,omitempty"`
	RemovedPackages     []DiffPackage       `json:"removed_packages,omitempty"`
	ChangedPackages     []PackageChange     `json:"changed_packages,omitempty"`
	AddedCertificates   []Certificate       `json:"added_certificates,omitempty"`
	RemovedCertificates []Certificate       `json:"removed_certificates,omitempty"`
	ChangedCertificates []CertificateChange `json:"changed_certificates,omitempty"`
	Sections            []string            `json:"sections,omitempty" doc:"of the facts, those that differ"`
}

// PackageChange is a package with another version than before.
type PackageChange struct {
	Manager string `json:"manager"`
	Name    string `json:"name"`
	Arch    string `json:"arch,omitempty"`
	From    string `json:"from"`
	To      string `json:"to"`
	Change  string `json:"change" enum:"upgrade,downgrade,changed" doc:"which way the version went, in the order of its ecosystem; changed: that order does not say"`
}

// DiffPackage is a package that came or went.
type DiffPackage struct {
	Package
	Change string `json:"change" enum:"install,removal"`
}

// CertificateChange is a certificate in the place of another.
type CertificateChange struct {
	From Certificate `json:"from"`
	To   Certificate `json:"to"`
}

// OSFacts is the facts of a host's system.
type OSFacts struct {
	Mounts     []Mount        `json:"mounts,omitempty"`
	Disks      []Disk         `json:"disks,omitempty"`
	Interfaces []NetInterface `json:"interfaces,omitempty"`
	DMI        DMI            `json:"dmi"`
	CPU        CPU            `json:"cpu"`
	Services   []Service      `json:"services,omitempty" doc:"what runs"`
	Listeners  []Listener     `json:"listeners,omitempty" doc:"sockets that wait for others"`
	Users      []User         `json:"users,omitempty" doc:"who can log in with a shell"`
	Modules    []string       `json:"modules,omitempty" doc:"of the kernel"`
	Sysctls    []Sysctl       `json:"sysctls,omitempty" doc:"settings of the kernel that audits ask for"`
	TimeZone   string         `json:"time_zone,omitempty"`
	NTP        NTP            `json:"ntp"`
	Cut        []string       `json:"cut,omitempty" doc:"sections that are not whole"`
}

// Mount is a mounted file system that holds data.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	Type     string `json:"type"`
	ReadOnly bool   `json:"read_only,omitempty"`
	Options  string `json:"options,omitempty"`
	SizeMB   int64  `json:"size_mb,omitempty"`
}

// Disk is a block device.
type Disk struct {
	Name       string `json:"name"`
	Model      string `json:"model,omitempty"`
	Serial     string `json:"serial,omitempty"`
	SizeMB     int64  `json:"size_mb,omitempty"`
	Rotational bool   `json:"rotational,omitempty"`
	Removable  bool   `json:"removable,omitempty"`
}

// NetInterface is a network interface.
type NetInterface struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac,omitempty"`
	MTU       int      `json:"mtu,omitempty"`
	Up        bool     `json:"up,omitempty"`
	SpeedMbit int      `json:"speed_mbit,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
}

// DMI is what the firmware says of the machine.
type DMI struct {
	Vendor      string `json:"vendor,omitempty"`
	Product     string `json:"product,omitempty"`
	Version     string `json:"version,omitempty"`
	Board       string `json:"board,omitempty"`
	BIOSVendor  string `json:"bios_vendor,omitempty"`
	BIOSVersion string `json:"bios_version,omitempty"`
	BIOSDate    string `json:"bios_date,omitempty"`
	Chassis     string `json:"chassis,omitempty"`
}

// CPU is the processor.
type CPU struct {
	Vendor  string `json:"vendor,omitempty"`
	Model   string `json:"model,omitempty"`
	Sockets int    `json:"sockets,omitempty"`
	Cores   int    `json:"cores,omitempty"`
	Threads int    `json:"threads,omitempty"`
}

// Service is a running service.
type Service struct {
	Unit string `json:"unit"`
	By   string `json:"by"`
}

// Listener is a socket that waits for others.
type Listener struct {
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	Port     int    `json:"port"`
	Process  string `json:"process,omitempty"`
}

// User is an account on the host that can log in with a shell.
type User struct {
	Name  string `json:"name"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Home  string `json:"home,omitempty"`
	Shell string `json:"shell"`
}

// Sysctl is a setting of the kernel.
type Sysctl struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// NTP is who keeps the clock right.
type NTP struct {
	Synchronised *bool  `json:"synchronised,omitempty"`
	Service      string `json:"service,omitempty"`
}
