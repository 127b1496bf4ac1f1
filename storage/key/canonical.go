package key

import (
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// The keys of canonicals, of the runs that change them, and of what is allowed of others.

// AdvisoryIdentity returns the index key of an advisory by a folded identity of it (see engine/merge.Identities).
func AdvisoryIdentity(identity string, k model.AdvisoryKey) []byte {
	return appendAdvisory(AdvisoriesWith(identity), k)
}

// AdvisoriesWith returns the prefix of the advisories with that folded identity.
func AdvisoriesWith(identity string) []byte {
	return appendText(start(SpaceAdvisoryIdentity, len(identity)+64), identity)
}

// ReadAdvisoryIdentity reads a key made by AdvisoryIdentity.
func ReadAdvisoryIdentity(k []byte) (identity string, a model.AdvisoryKey, err error) {
	c := read(SpaceAdvisoryIdentity, k)
	identity = c.text()
	a = c.advisory()
	return identity, a, c.done()
}

// Canonical returns the key of a canonical's row, by its id in whatever case.
func Canonical(id string) []byte {
	return appendText(start(SpaceCanonical, len(id)+2), strings.ToUpper(strings.TrimSpace(id)))
}

// CanonicalHash returns the index key of a canonical by its merge hash.
func CanonicalHash(hash, id string) []byte { return appendText(CanonicalsHashed(hash), id) }

// CanonicalsHashed returns the prefix of the canonicals with that merge hash.
func CanonicalsHashed(hash string) []byte {
	return appendText(start(SpaceCanonicalHash, len(hash)+40), hash)
}

// ReadCanonicalHash reads a key made by CanonicalHash.
func ReadCanonicalHash(k []byte) (hash, id string, err error) {
	c := read(SpaceCanonicalHash, k)
	hash = c.text()
	id = c.text()
	return hash, id, c.done()
}

// AdvisoryCanonical returns the index key of a canonical by one of its records.
func AdvisoryCanonical(k model.AdvisoryKey, id string) []byte {
	return appendText(CanonicalsOf(k), id)
}

// CanonicalsOf returns the prefix of the canonicals of a record; there is one at most.
func CanonicalsOf(k model.AdvisoryKey) []byte {
	return appendAdvisory(start(SpaceAdvisoryCanonical, len(k.Source)+len(k.ID)+40), k)
}

// ReadAdvisoryCanonical reads a key made by AdvisoryCanonical.
func ReadAdvisoryCanonical(k []byte) (a model.AdvisoryKey, id string, err error) {
	c := read(SpaceAdvisoryCanonical, k)
	a = c.advisory()
	id = c.text()
	return a, id, c.done()
}

// CanonicalEvent returns the key of an event of the stream of changes of canonicals.
func CanonicalEvent(seq model.Seq) []byte {
	return appendNumber(start(SpaceCanonicalEvent, 8), uint64(seq))
}

// ReadCanonicalEvent reads a key made by CanonicalEvent.
func ReadCanonicalEvent(k []byte) (model.Seq, error) {
	c := read(SpaceCanonicalEvent, k)
	return model.Seq(c.number()), c.done()
}

// Stage returns the key of a part of a run.
func Stage(run string, part int) []byte { return appendNumber(StagesOf(run), uint64(part)) }

// StagesOf returns the prefix of the parts of a run.
func StagesOf(run string) []byte { return appendText(start(SpaceStage, len(run)+10), run) }

// ReadStage reads a key made by Stage.
func ReadStage(k []byte) (run string, part int, err error) {
	c := read(SpaceStage, k)
	run = c.text()
	part = int(c.number())
	return run, part, c.done()
}

// Partner returns the key of what is allowed of an origin's bundles.
func Partner(name string) []byte { return appendText(start(SpacePartner, len(name)+2), name) }

// Authority returns the key of what a source may speak for.
func Authority(source string) []byte { return appendText(start(SpaceAuthority, len(source)+2), source) }

// Acceptance returns the key of an accepted risk.
func Acceptance(id string) []byte { return appendText(start(SpaceAcceptance, len(id)+2), id) }
