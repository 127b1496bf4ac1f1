package model

// HostDetail is a host with what only its site holds. It is the answer to the question "host.detail",
// which a controller asks down the link.
type HostDetail struct {
	Host         Host          `json:"host"`
	At           Time          `json:"at"` // when the site answered
	Packages     []Package     `json:"packages"`
	Certificates []Certificate `json:"certificates"`
	Findings     []Finding     `json:"findings"`
}

// Answered is what every answer about one host begins with.
type Answered struct {
	Host   HostID `json:"host"`
	At     Time   `json:"at"`               // when the site answered
	AsOf   Time   `json:"as_of,omitzero"`   // when what it answers with was observed
	Digest string `json:"digest,omitzero"`  // hex SHA-256 of the whole of it
	Total  int    `json:"total,omitzero"`   // rows, or bytes of output, of all pages
	Next   string `json:"next,omitzero"`    // the cursor of the next page; empty: this was the last
	Lacks  string `json:"lacking,omitzero"` // why there is nothing: what the host has not reported yet
}

// HostPackages answers RouteHostPackages.
type HostPackages struct {
	Answered
	OS       OS        `json:"os"`
	Packages []Package `json:"packages"`
}

// HostCertificates answers RouteHostCertificates.
type HostCertificates struct {
	Answered
	Certificates []Certificate `json:"certificates"`
}

// HostFacts answers RouteHostFacts.
type HostFacts struct {
	Answered
	Facts OSFacts `json:"facts"`
}

// HostOutput answers RouteHostOutput.
type HostOutput struct {
	Answered
	Command CommandID `json:"command"`
	Offset  int       `json:"offset"` // of Text in the whole
	Text    string    `json:"text"`
	// Size is how many bytes the command printed; more than Total where the agent could not keep all.
	Size int64 `json:"size"`
}

// HostHistory answers RouteHostHistory without ParamFrom.
type HostHistory struct {
	Answered
	Kind     string    `json:"kind"`
	Versions []Version `json:"versions"` // the newest first
}

// Version is one body that a host has or had.
type Version struct {
	N       uint64 `json:"n"`  // rises by one with each that differs from the one before
	At      Time   `json:"at"` // when the site stored it
	AsOf    Time   `json:"as_of,omitzero"`
	Digest  string `json:"digest"`
	Size    int    `json:"size"` // bytes of JSON
	Current bool   `json:"current,omitzero"`
	// Added, Removed and Changed count what differs from the version before; nil: that is not known, as of
	// the first.
	Added   *int `json:"added,omitzero"`
	Removed *int `json:"removed,omitzero"`
	Changed *int `json:"changed,omitzero"`
}

// HostDiff answers RouteHostHistory with ParamFrom and ParamTo.
type HostDiff struct {
	Answered
	Kind         string            `json:"kind"`
	From         Version           `json:"from"`
	To           Version           `json:"to"`
	Packages     *PackagesDiff     `json:"packages,omitzero"`
	Certificates *CertificatesDiff `json:"certificates,omitzero"`
	Sections     []string          `json:"sections,omitzero"` // of the facts, those that differ
}

// PackagesDiff is what turns one inventory into another.
type PackagesDiff struct {
	OSFrom  *OS             `json:"os_from,omitzero"` // where the system itself differs
	OSTo    *OS             `json:"os_to,omitzero"`
	Added   []Package       `json:"added"`
	Removed []Package       `json:"removed"`
	Changed []PackageChange `json:"changed"`
}

// PackageChange is a package with another version than before.
type PackageChange struct {
	Manager   string `json:"manager"`
	Name      string `json:"name"`
	Arch      string `json:"arch,omitzero"`
	Ecosystem string `json:"ecosystem,omitzero"` // where both sides say the same one
	From      string `json:"from"`
	To        string `json:"to"`
	// Change says which way it went; empty where nobody judged it, as at a site of an earlier version.
	Change VersionChange `json:"change,omitzero"`
}

// VersionChange says what became of a package.
type VersionChange string

// What can become of a package. PackageChanged says that one version took the place of another and that nobody knows
// their order, or that they are equal in it: the same version, built anew.
const (
	PackageInstalled  VersionChange = "install"
	PackageRemoved    VersionChange = "removal"
	PackageUpgraded   VersionChange = "upgrade"
	PackageDowngraded VersionChange = "downgrade"
	PackageChanged    VersionChange = "changed"
)

// CertificatesDiff is what turns one list of certificates into another.
type CertificatesDiff struct {
	Added   []Certificate       `json:"added"`
	Removed []Certificate       `json:"removed"`
	Changed []CertificateChange `json:"changed"`
}

// CertificateChange is a certificate in the place of another of the same subject, in the same file.
type CertificateChange struct {
	From Certificate `json:"from"`
	To   Certificate `json:"to"`
}

// Output is what a command printed on a host: the payload of an ItemOutput as the agent sends it. At the
// door of the site an OutputRef takes its place.
type Output struct {
	Command CommandID `json:"command"`
	Host    HostID    `json:"host"`
	Text    string    `json:"text"` // at most MaxOutput bytes
	Size    int64     `json:"size"` // bytes that the command printed
}

// OutputRef stands for an Output that is durable in the detail tier.
type OutputRef struct {
	Command CommandID `json:"command"`
	Host    HostID    `json:"host"`
	Digest  string    `json:"digest"`
	Size    int64     `json:"size"`
}

// MaxOutput bounds what is kept of the output of one command on one host, in bytes.
const MaxOutput = 1 << 20

// The routes of what an upper tier asks of the one below it, with their parameters. A page is asked for
// with ParamCursor and ParamLimit, both optional.
const (
	// RouteHostDetail asks for a HostDetail; ParamHost is the host's id.
	RouteHostDetail = "host.detail"
	ParamHost       = "host"
	// RouteHostPackages asks for a page of HostPackages; ParamHost.
	RouteHostPackages = "host.packages"
	// RouteHostCertificates asks for a page of HostCertificates; ParamHost.
	RouteHostCertificates = "host.certificates"
	// RouteHostFacts asks for HostFacts; ParamHost.
	RouteHostFacts = "host.facts"
	// RouteHostOutput asks for a page of HostOutput; ParamHost, ParamCommand.
	RouteHostOutput = "host.output"
	ParamCommand    = "command"
	// RouteHostHistory asks for a page of HostHistory of ParamKind (packages, certificates or facts); with
	// ParamFrom and ParamTo, the numbers of two versions, for a HostDiff.
	RouteHostHistory = "host.history"
	ParamKind        = "kind"
	ParamFrom        = "from"
	ParamTo          = "to"
	ParamCursor      = "cursor"
	ParamLimit       = "limit"
	// RouteEndpoints tells under which addresses the upper tier is to be found from now on: ParamEndpoints is
	// HOST:PORT of each of its nodes, with a space between. The answer is null once that is kept.
	RouteEndpoints = "endpoints"
	ParamEndpoints = "endpoints"
)

// The kinds of history, as ParamKind.
const (
	HistoryPackages     = "packages"
	HistoryCertificates = "certificates"
	HistoryFacts        = "facts"
)

// RouteDigest asks a site for a DigestAnswer, RouteRepair to send again the rows of ParamHosts: ids with a space between,
// at most MaxRepair. It tells the controller, in that answer, how many of them the site has.
const (
	RouteDigest = "digest"
	RouteRepair = "repair"
	ParamBucket = "bucket"
	ParamHosts  = "hosts"
	MaxRepair   = 64
)

// DigestAnswer is what a site holds, to be compared with what its controller holds of it.
type DigestAnswer struct {
	Form int  `json:"form"` // inventory.DigestForm
	At   Time `json:"at"`
	// Buckets has one place for each group of hosts; it is empty where ParamBucket named one.
	Buckets []BucketDigest `json:"buckets,omitzero"`
	// Rows are those of the bucket that was named.
	Rows []RowDigest `json:"rows,omitzero"`
	// Waiting are the hosts of the bucket whose news wait in the site's outbox: what differs of them comes by itself.
	Waiting []HostID `json:"waiting,omitzero"`
	// Gathering says that this site runs since a short time and not every agent has reported: what it lacks may yet come.
	Gathering bool `json:"gathering,omitzero"`
}

// BucketDigest sums up a group of hosts.
type BucketDigest struct {
	Hosts int    `json:"hosts"`
	Sum   uint64 `json:"sum,string"`
}

// RowDigest stands for one host's row.
type RowDigest struct {
	Host HostID `json:"host"`
	Sum  uint64 `json:"sum,string"`
}

// Repaired answers RouteRepair.
type Repaired struct {
	Sent int `json:"sent"` // rows
	Gone int `json:"gone"` // hosts that the site does not have
	// Waiting are those of which news wait in the outbox already; they were not sent once more.
	Waiting []HostID `json:"waiting,omitzero"`
}
