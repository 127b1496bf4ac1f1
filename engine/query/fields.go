package query

// Field names what a Term is about. The numbers are not stored anywhere but in cursors: append.
type Field uint8

// The fields.
const (
	FieldName        Field = 1  // the host name or the FQDN
	FieldFQDN        Field = 2  // the FQDN alone
	FieldID          Field = 3  //
	FieldIP          Field = 4  // any IPv4 or IPv6 address of the host; sorted by its first IPv4 address
	FieldMAC         Field = 5  //
	FieldOS          Field = 6  // sorted and counted as "id version"
	FieldKernel      Field = 7  //
	FieldArch        Field = 8  //
	FieldStatus      Field = 9  //
	FieldSeen        Field = 10 // time since it was last heard
	FieldSite        Field = 11 // by name or id; counted by name
	FieldRegion      Field = 12 // of the site
	FieldCountry     Field = 13 // of the site
	FieldCity        Field = 14 // of the site
	FieldTag         Field = 15 // any one tag
	FieldAgent       Field = 16 // agent version
	FieldOwner       Field = 17 //
	FieldCompliance  Field = 18 // percent
	FieldCVE         Field = 19 // number of vulnerabilities; with a part, of that severity
	FieldSeverity    Field = 20 // Host.Worst
	FieldUpdates     Field = 21 //
	FieldReboot      Field = 22 // whether a reboot is needed
	FieldCertificate Field = 23 // time until the next certificate expires
	FieldPackages    Field = 24 // number of packages
	FieldUptime      Field = 25 // time since the boot
	FieldCPUs        Field = 26 //
	FieldMemory      Field = 27 // MiB
	FieldSerial      Field = 28 //
	FieldFirstSeen   Field = 29 // time since its site first heard of it
	FieldSimulated   Field = 30 //
	// FieldAny is a word without a field: a part of the host name or the FQDN, a part of an address, or an
	// exact id.
	FieldAny      Field = 31
	FieldHostname Field = 32 // the host name alone
)

// Kind says what a field's values are and how they compare.
type Kind uint8

// The kinds.
const (
	KindText    Kind = 1  // free text: name, fqdn, serial
	KindWord    Kind = 2  // text of which many hosts have the same: site, tag, region, arch, owner
	KindVersion Kind = 3  // a word that also has an order: kernel, agent
	KindOS      Kind = 4  // id, name and version
	KindNumber  Kind = 5  //
	KindBool    Kind = 6  //
	KindAge     Kind = 7  // a time in the past
	KindUntil   Kind = 8  // a time in the future
	KindAddress Kind = 9  //
	KindMAC     Kind = 10 //
	KindID      Kind = 11 //
	KindStatus  Kind = 12 //
)

// Info describes a field.
type Info struct {
	Field    Field
	Name     string   // the one it is written by
	Aliases  []string // others that are understood
	Kind     Kind
	Sortable bool
	Counted  bool   // may be a facet, and one of the two fields of a group-by
	Doc      string // one line for people
	Example  string // one that parses
}
