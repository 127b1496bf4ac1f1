package key

import "github.com/skerryhq/skerry/engine/model"

// Rule returns the key of an alert rule.
func Rule(name string) []byte { return appendText(start(SpaceRule, len(name)+2), name) }

// Alert returns the key of an alert's row.
func Alert(id model.AlertID) []byte { return append(start(SpaceAlert, 16), id[:]...) }

// AlertOpen returns the index key of an alert that is not resolved.
func AlertOpen(id model.AlertID) []byte { return append(start(SpaceAlertOpen, 16), id[:]...) }

// ReadAlertOpen reads a key made by AlertOpen.
func ReadAlertOpen(k []byte) (model.AlertID, error) {
	c := read(SpaceAlertOpen, k)
	return model.AlertID(c.id()), c.done()
}

// AlertEnded returns the index key of an alert by when it was resolved.
func AlertEnded(at model.Time, id model.AlertID) []byte {
	return append(appendNumber(start(SpaceAlertEnded, 24), uint64(at)), id[:]...)
}

// ReadAlertEnded reads a key made by AlertEnded.
func ReadAlertEnded(k []byte) (at model.Time, id model.AlertID, err error) {
	c := read(SpaceAlertEnded, k)
	at = model.Time(c.number())
	id = c.id()
	return at, id, c.done()
}

// Watch returns the key of what is remembered of a rule and a host; the zero host is the site itself.
func Watch(rule string, host model.HostID) []byte { return append(WatchesOf(rule), host[:]...) }

// WatchesOf returns the prefix of what is remembered of a rule.
func WatchesOf(rule string) []byte { return appendText(start(SpaceWatch, len(rule)+18), rule) }

// AlertCounts returns the key of a site's roll-up of alerts.
func AlertCounts(id model.SiteID) []byte { return append(start(SpaceAlertCounts, 16), id[:]...) }

// Policy returns the key of a policy's row.
func Policy(id model.PolicyID) []byte { return append(start(SpacePolicy, 16), id[:]...) }

// PoliciesHeld returns the key of which policies a site has.
func PoliciesHeld(id model.SiteID) []byte { return append(start(SpacePoliciesHeld, 16), id[:]...) }
