package key

import "github.com/skerryhq/skerry/engine/model"

// The keys of rows. Each is named after its keyspace.

// Of returns the key of a meta item.
func Of(m Meta) []byte { return []byte{byte(SpaceMeta), byte(m)} }

// Member returns the key of a member's row.
func Member(id model.NodeID) []byte { return append(start(SpaceMember, 16), id[:]...) }

// Site returns the key of a site's row.
func Site(id model.SiteID) []byte { return append(start(SpaceSite, 16), id[:]...) }

// Counts returns the key of a site's aggregate row.
func Counts(id model.SiteID) []byte { return append(start(SpaceCounts, 16), id[:]...) }

// Trend returns the key of the slot of a site's trend (zero: all sites) that holds the time at.
func Trend(site model.SiteID, res model.Resolution, at model.Time) []byte {
	b := append(append(start(SpaceTrend, 19), site[:]...), byte(res))
	return appendShort(b, uint16(res.Place(at)))
}

// TrendOf returns the prefix of the slots of a site's trend in one resolution.
func TrendOf(site model.SiteID, res model.Resolution) []byte {
	return append(append(start(SpaceTrend, 17), site[:]...), byte(res))
}

// ReadTrend reads a key made by Trend.
func ReadTrend(k []byte) (site model.SiteID, res model.Resolution, place uint16, err error) {
	c := read(SpaceTrend, k)
	site = c.id()
	res = model.Resolution(c.one())
	place = c.short()
	return site, res, place, c.done()
}

// Host returns the key of a host's row.
func Host(id model.HostID) []byte { return append(start(SpaceHost, 16), id[:]...) }

// AppendHost appends what Host returns.
func AppendHost(b []byte, id model.HostID) []byte {
	return append(append(b, byte(SpaceHost)), id[:]...)
}

// HostBeat returns the key of a host's beat.
func HostBeat(id model.HostID) []byte { return append(start(SpaceHostBeat, 16), id[:]...) }

// AppendHostBeat appends what HostBeat returns.
func AppendHostBeat(b []byte, id model.HostID) []byte {
	return append(append(b, byte(SpaceHostBeat)), id[:]...)
}

// HostJournal returns the key of one part of the list of hosts whose rows a commit changed; commits are
// numbered by this node alone.
func HostJournal(commit uint64, part uint16) []byte {
	return appendShort(appendNumber(start(SpaceHostJournal, 10), commit), part)
}

// SearchCheckpoint returns the key of one part of a checkpoint of the index in memory, by the commit that
// it reaches.
func SearchCheckpoint(commit, part uint64) []byte {
	return appendNumber(appendNumber(start(SpaceSearchCheckpoint, 16), commit), part)
}

// Advisory returns the key of an advisory's row.
func Advisory(k model.AdvisoryKey) []byte {
	return appendAdvisory(start(SpaceAdvisory, len(k.Source)+len(k.ID)+4), k)
}

// AdvisoriesOf returns what the key of every advisory of a source begins with whose id begins with prefix.
func AdvisoriesOf(source, prefix string) []byte {
	k := Advisory(model.AdvisoryKey{Source: source, ID: prefix})
	return k[:len(k)-2] // without what ends the text
}

// AdvisoryGone returns the key of the memory of a removed advisory.
func AdvisoryGone(k model.AdvisoryKey) []byte {
	return appendAdvisory(start(SpaceAdvisoryGone, len(k.Source)+len(k.ID)+4), k)
}

func appendAdvisory(b []byte, k model.AdvisoryKey) []byte {
	return appendText(appendText(b, k.Source), k.ID)
}

// Import returns the key of the record of one imported bundle.
func Import(seq uint64) []byte { return appendNumber(start(SpaceImport, 8), seq) }

// Match returns the key of what is known of one inventory's findings: when, against what, how many.
func Match(digest string) []byte { return appendText(start(SpaceMatch, len(digest)+2), digest) }

// Findings returns the key of the findings themselves of one inventory.
func Findings(digest string) []byte { return appendText(start(SpaceFindings, len(digest)+2), digest) }

// Dirty returns the key of the mark that an inventory must be matched again.
func Dirty(digest string) []byte { return appendText(start(SpaceDirty, len(digest)+2), digest) }

// Exposure returns the key of a site's roll-up.
func Exposure(id model.SiteID) []byte { return append(start(SpaceExposure, 16), id[:]...) }

// Signer returns the key of a bundle signer's row.
func Signer(id string) []byte { return appendText(start(SpaceSigner, len(id)+2), id) }

// Command returns the key of a command's row.
func Command(id model.CommandID) []byte { return append(start(SpaceCommand, 16), id[:]...) }

// Task returns the key of a command's row on one host.
func Task(cmd model.CommandID, host model.HostID) []byte {
	return append(append(start(SpaceTask, 32), cmd[:]...), host[:]...)
}

// TasksOf returns the prefix of the tasks of one command.
func TasksOf(cmd model.CommandID) []byte { return append(start(SpaceTask, 16), cmd[:]...) }

// Account returns the key of an account's row.
func Account(name string) []byte { return appendText(start(SpaceAccount, len(name)+2), name) }

// Session returns the key of a login's row.
func Session(id model.SessionID) []byte { return append(start(SpaceSession, 16), id[:]...) }

// Secret returns the key of a secret of the group.
func Secret(name string) []byte { return appendText(start(SpaceSecret, len(name)+2), name) }

// Search returns the key of a saved search.
func Search(name string) []byte { return appendText(start(SpaceSearch, len(name)+2), name) }

// Audit returns the key of an audit entry.
func Audit(seq model.Seq) []byte { return appendNumber(start(SpaceAudit, 8), uint64(seq)) }

// Watermark returns the key of how far an origin's items are held.
func Watermark(origin model.NodeID) []byte { return append(start(SpaceWatermark, 16), origin[:]...) }

// Directive returns the key of one directive; the zero id is for all members.
func Directive(to model.NodeID, seq model.Seq) []byte {
	return appendNumber(append(start(SpaceDirective, 24), to[:]...), uint64(seq))
}

// DirectivesOf returns the prefix of the directives to one member.
func DirectivesOf(to model.NodeID) []byte { return append(start(SpaceDirective, 16), to[:]...) }

// Request returns the key of what came of a proposal.
func Request(id model.RequestID) []byte { return append(start(SpaceRequest, 16), id[:]...) }

// ReadRequest reads a key made by Request.
func ReadRequest(k []byte) (model.RequestID, error) {
	c := read(SpaceRequest, k)
	return model.RequestID(c.id()), c.done()
}

// ReadMember reads a key made by Member.
func ReadMember(k []byte) (model.NodeID, error) {
	c := read(SpaceMember, k)
	return model.NodeID(c.id()), c.done()
}

// ReadSite reads a key made by Site.
func ReadSite(k []byte) (model.SiteID, error) {
	c := read(SpaceSite, k)
	return model.SiteID(c.id()), c.done()
}

// ReadCounts reads a key made by Counts.
func ReadCounts(k []byte) (model.SiteID, error) {
	c := read(SpaceCounts, k)
	return model.SiteID(c.id()), c.done()
}

// ReadHost reads a key made by Host.
func ReadHost(k []byte) (model.HostID, error) {
	c := read(SpaceHost, k)
	return model.HostID(c.id()), c.done()
}

// ReadHostBeat reads a key made by HostBeat.
func ReadHostBeat(k []byte) (model.HostID, error) {
	c := read(SpaceHostBeat, k)
	return model.HostID(c.id()), c.done()
}

// ReadHostJournal reads a key made by HostJournal.
func ReadHostJournal(k []byte) (commit uint64, part uint16, err error) {
	c := read(SpaceHostJournal, k)
	commit = c.number()
	part = c.short()
	return commit, part, c.done()
}

// ReadSearchCheckpoint reads a key made by SearchCheckpoint.
func ReadSearchCheckpoint(k []byte) (commit, part uint64, err error) {
	c := read(SpaceSearchCheckpoint, k)
	commit = c.number()
	part = c.number()
	return commit, part, c.done()
}

// ReadAdvisory reads a key made by Advisory.
func ReadAdvisory(k []byte) (model.AdvisoryKey, error) {
	c := read(SpaceAdvisory, k)
	return c.advisory(), c.done()
}

// ReadAdvisoryGone reads a key made by AdvisoryGone.
func ReadAdvisoryGone(k []byte) (model.AdvisoryKey, error) {
	c := read(SpaceAdvisoryGone, k)
	return c.advisory(), c.done()
}

func (c *cursor) advisory() model.AdvisoryKey {
	source := c.text()
	return model.AdvisoryKey{Source: source, ID: c.text()}
}

// ReadImport reads a key made by Import.
func ReadImport(k []byte) (uint64, error) {
	c := read(SpaceImport, k)
	return c.number(), c.done()
}

// ReadDirty reads a key made by Dirty.
func ReadDirty(k []byte) (string, error) {
	c := read(SpaceDirty, k)
	return c.text(), c.done()
}

// ReadTask reads a key made by Task.
func ReadTask(k []byte) (model.CommandID, model.HostID, error) {
	c := read(SpaceTask, k)
	cmd := model.CommandID(c.id())
	return cmd, model.HostID(c.id()), c.done()
}

// ReadAudit reads a key made by Audit.
func ReadAudit(k []byte) (model.Seq, error) {
	c := read(SpaceAudit, k)
	return model.Seq(c.number()), c.done()
}

// ReadDirective reads a key made by Directive.
func ReadDirective(k []byte) (model.NodeID, model.Seq, error) {
	c := read(SpaceDirective, k)
	to := model.NodeID(c.id())
	return to, model.Seq(c.number()), c.done()
}
