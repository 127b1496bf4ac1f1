package key

import (
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// The keys of the secondary indexes. Each ends with the key of its row, so that two rows never share one.

// MemberPin returns the index key of a member by its pinned key.
func MemberPin(pin string, id model.NodeID) []byte { return append(MembersWithPin(pin), id[:]...) }

// MembersWithPin returns the prefix of the members with that pin.
func MembersWithPin(pin string) []byte {
	return appendText(start(SpaceMemberPin, len(pin)+18), pin)
}

// ReadMemberPin reads a key made by MemberPin.
func ReadMemberPin(k []byte) (pin string, id model.NodeID, err error) {
	c := read(SpaceMemberPin, k)
	pin = c.text()
	id = c.id()
	return pin, id, c.done()
}

// MemberName returns the index key of a member by its name.
func MemberName(kind model.MemberKind, name string, id model.NodeID) []byte {
	return append(MembersNamed(kind, name), id[:]...)
}

// MembersNamed returns the prefix of the members of that kind with that name.
func MembersNamed(kind model.MemberKind, name string) []byte {
	return appendText(appendText(start(SpaceMemberName, len(kind)+len(name)+20), string(kind)), name)
}

// MembersOf returns the prefix of the members of that kind, by name.
func MembersOf(kind model.MemberKind) []byte {
	return appendText(start(SpaceMemberName, len(kind)+2), string(kind))
}

// ReadMemberName reads a key made by MemberName.
func ReadMemberName(k []byte) (kind model.MemberKind, name string, id model.NodeID, err error) {
	c := read(SpaceMemberName, k)
	kind = model.MemberKind(c.text())
	name = c.text()
	id = c.id()
	return kind, name, id, c.done()
}

// HostPackages returns the index key of a host by the digest of its inventory.
func HostPackages(digest string, host model.HostID) []byte {
	return append(HostsWith(digest), host[:]...)
}

// HostsWith returns the prefix of the hosts whose inventory has that digest.
func HostsWith(digest string) []byte {
	return appendText(start(SpaceHostPackages, len(digest)+18), digest)
}

// ReadHostPackages reads a key made by HostPackages.
func ReadHostPackages(k []byte) (digest string, host model.HostID, err error) {
	c := read(SpaceHostPackages, k)
	digest = c.text()
	host = c.id()
	return digest, host, c.done()
}

// AdvisoryPackage returns the index key of an advisory by one package that it affects.
func AdvisoryPackage(ecosystem, pkg string, k model.AdvisoryKey) []byte {
	return appendAdvisory(AdvisoriesFor(ecosystem, pkg), k)
}

// AdvisoriesFor returns the prefix of the advisories that affect a package.
func AdvisoriesFor(ecosystem, pkg string) []byte {
	return appendText(appendText(start(SpaceAdvisoryPackage, len(ecosystem)+len(pkg)+64), ecosystem), pkg)
}

// ReadAdvisoryPackage reads a key made by AdvisoryPackage.
func ReadAdvisoryPackage(k []byte) (ecosystem, pkg string, a model.AdvisoryKey, err error) {
	c := read(SpaceAdvisoryPackage, k)
	ecosystem = c.text()
	pkg = c.text()
	a = c.advisory()
	return ecosystem, pkg, a, c.done()
}

// AdvisoryIdentifier returns the index key of an advisory by an identifier that it names, in lower case.
func AdvisoryIdentifier(identifier string, k model.AdvisoryKey) []byte {
	return appendAdvisory(AdvisoriesNaming(identifier), k)
}

// AdvisoriesNaming returns the prefix of the advisories that name an identifier, whatever its case.
func AdvisoriesNaming(identifier string) []byte {
	return appendText(start(SpaceAdvisoryIdentifier, len(identifier)+64), strings.ToLower(identifier))
}

// ReadAdvisoryIdentifier reads a key made by AdvisoryIdentifier; identifier is in lower case.
func ReadAdvisoryIdentifier(k []byte) (identifier string, a model.AdvisoryKey, err error) {
	c := read(SpaceAdvisoryIdentifier, k)
	identifier = c.text()
	a = c.advisory()
	return identifier, a, c.done()
}

// AdvisoryCursor returns the index key of an advisory, or of the memory of a removed one, by the cursor
// of its newest change.
func AdvisoryCursor(at model.Cursor, k model.AdvisoryKey) []byte {
	b := appendNumber(start(SpaceAdvisoryCursor, len(k.Source)+len(k.ID)+20), uint64(at.Seq))
	return appendAdvisory(appendNumber(b, uint64(at.At)), k)
}

// AdvisoriesFrom returns the smallest key of a change whose cursor has at least that sequence.
func AdvisoriesFrom(seq model.Seq) []byte {
	return appendNumber(start(SpaceAdvisoryCursor, 8), uint64(seq))
}

// ReadAdvisoryCursor reads a key made by AdvisoryCursor.
func ReadAdvisoryCursor(k []byte) (at model.Cursor, a model.AdvisoryKey, err error) {
	c := read(SpaceAdvisoryCursor, k)
	at.Seq = model.Seq(c.number())
	at.At = model.Time(c.number())
	a = c.advisory()
	return at, a, c.done()
}

// CommandOpen returns the index key of a command that is not in a terminal state.
func CommandOpen(id model.CommandID) []byte { return append(start(SpaceCommandOpen, 16), id[:]...) }

// ReadCommandOpen reads a key made by CommandOpen.
func ReadCommandOpen(k []byte) (model.CommandID, error) {
	c := read(SpaceCommandOpen, k)
	return model.CommandID(c.id()), c.done()
}

// DirectiveKey returns the index key of a directive by the key of its item.
func DirectiveKey(to model.NodeID, item string, seq model.Seq) []byte {
	return appendNumber(DirectivesKeyed(to, item), uint64(seq))
}

// DirectivesKeyed returns the prefix of the directives to a member whose item has that key.
func DirectivesKeyed(to model.NodeID, item string) []byte {
	return appendText(append(start(SpaceDirectiveKey, len(item)+26), to[:]...), item)
}

// ReadDirectiveKey reads a key made by DirectiveKey.
func ReadDirectiveKey(k []byte) (to model.NodeID, item string, seq model.Seq, err error) {
	c := read(SpaceDirectiveKey, k)
	to = c.id()
	item = c.text()
	seq = model.Seq(c.number())
	return to, item, seq, c.done()
}

// RequestOrder returns the index key of a remembered proposal by the log index of its entry.
func RequestOrder(index uint64, id model.RequestID) []byte {
	return append(RequestsFrom(index), id[:]...)
}

// RequestsFrom returns the smallest key of a proposal that was remembered at that log index or behind it.
func RequestsFrom(index uint64) []byte {
	return appendNumber(start(SpaceRequestOrder, 24), index)
}

// ReadRequestOrder reads a key made by RequestOrder.
func ReadRequestOrder(k []byte) (index uint64, id model.RequestID, err error) {
	c := read(SpaceRequestOrder, k)
	index = c.number()
	id = c.id()
	return index, id, c.done()
}
