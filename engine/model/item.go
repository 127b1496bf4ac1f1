package model

import "github.com/go-json-experiment/json/jsontext"

// ItemKind says what an item's payload is. Kinds are names on the wire: add, never rename.
type ItemKind string

// The items that rise from an agent to its site. The payloads of ItemPackages and ItemCertificates
// are replaced by an InventoryRef or CertificatesRef at the door of the site, once the body is
// durable in the detail tier; apply only ever sees the reference.
const (
	ItemFacts        ItemKind = "facts"        // Facts; key: host id; newest wins
	ItemPackages     ItemKind = "packages"     // Inventory, then InventoryRef; key: host id; newest wins
	ItemCertificates ItemKind = "certificates" // []Certificate, then CertificatesRef; key: host id; newest wins
	ItemMove         ItemKind = "move"         // Move; key: command/host/state; an event, never compacted
	ItemOSFacts      ItemKind = "os_facts"     // OSFacts, then OSFactsRef; key: host id; newest wins
	ItemOutput       ItemKind = "output"       // Output, then OutputRef; key: command/host; an event
)

// The items that rise from a site to its controller, beside ItemMove.
const (
	ItemHost        ItemKind = "host"         // Host; key: host id; newest wins
	ItemStatus      ItemKind = "status"       // HostBeat; key: host id; newest wins; the rest of the row is as it was
	ItemHostGone    ItemKind = "host_gone"    // no payload; key: host id; takes the place of ItemHost
	ItemExposure    ItemKind = "exposure"     // Exposure; key: "exposure"; newest wins
	ItemJudged      ItemKind = "judged"       // no payload; key: "judged"; every host's status holds as of AsOf
	ItemCommandHeld ItemKind = "command_held" // no payload; key: command id; the site durably has it
	ItemAlerts      ItemKind = "alerts"       // AlertCounts; key: "alerts"; newest wins
	ItemPolicies    ItemKind = "policies"     // PoliciesHeld; key: "policies"; newest wins
	ItemAlertDone   ItemKind = "alert_done"   // AlertDone; key: as of the ItemAlertAsk that it answers; an event
)

// The items that come down.
const (
	ItemAdvisory     ItemKind = "advisory"      // Advisory; key: source/id; newest wins
	ItemAdvisoryGone ItemKind = "advisory_gone" // an Advisory with only its key and cursor; key: source/id; newest wins
	ItemSigner       ItemKind = "signer"        // SignerKey; key: its id; newest wins
	ItemOrder        ItemKind = "order"         // Order; key: command id; an event
	ItemGeneration   ItemKind = "generation"    // no payload; key: "generation": the advisories before it belong together
	ItemShelf        ItemKind = "shelf"         // Cursor; key: "shelf"; newest wins: how far the advisories of the tier above go
	ItemAcceptance   ItemKind = "acceptance"    // Acceptance; key: "acceptance:" and its id; newest wins
	ItemAcceptGone   ItemKind = "accept_gone"   // no payload; key: as of ItemAcceptance, whose place it takes
	ItemAuthority    ItemKind = "authority"     // PutAuthority; key: "authority:" and the source; newest wins
	ItemPolicy       ItemKind = "policy"        // Policy; key: its id; newest wins
	ItemPolicyGone   ItemKind = "policy_gone"   // no payload; key: its id; takes the place of ItemPolicy
	ItemRule         ItemKind = "rule"          // Rule; key: "rule:" and its name; newest wins
	ItemRuleGone     ItemKind = "rule_gone"     // no payload; key: as of ItemRule, whose place it takes
	ItemAlertAsk     ItemKind = "alert_ask"     // AlertAsk; key: AlertAsk.Key; newest wins
	ItemRestored     ItemKind = "restored"      // no payload; key: "restored"; newest wins: the tier above was restored from a backup
)

// Item is the one form in which facts cross a boundary, over the link or in a bundle. Its origin and
// epoch come from the authenticated carrier, never from the item.
//
// Seq rises strictly within an epoch, with gaps where a newer item took an older one's place. The
// receiver applies in order and skips what its Position covers.
type Item struct {
	Seq     Seq            `json:"seq"`
	Kind    ItemKind       `json:"kind"`
	Key     string         `json:"key"` // at most MaxItemKey bytes
	AsOf    Time           `json:"as_of,omitzero"`
	Payload jsontext.Value `json:"payload,omitzero"` // at most MaxPayload bytes; absent for kinds without one

	// Host and Beat are the payload of ItemHost and of ItemStatus as values, where whoever hands the item over
	// has them so: Payload is not looked at then. They never cross a boundary; nobody changes what they point to.
	Host *Host     `json:"-"`
	Beat *HostBeat `json:"-"`
}

// Bounds of what one carrier may hand over at once.
const (
	MaxPayload  = 8 << 20 // bytes of one item's payload
	MaxItemKey  = 256     // bytes of one item's key
	MaxItemsRun = 4096    // items handed over in one piece
)

// Event reports whether every item of this kind counts, so that a newer one never replaces an older
// one with the same key.
func (k ItemKind) Event() bool {
	return k == ItemMove || k == ItemOrder || k == ItemCommandHeld || k == ItemOutput || k == ItemAlertDone
}

// InventoryRef stands for an Inventory that is durable in the detail tier.
type InventoryRef struct {
	Digest   string `json:"digest"` // hex SHA-256 of the inventory's JSON
	PackageN int    `json:"package_n"`
}

// CertificatesRef stands for a list of certificates that is durable in the detail tier.
type CertificatesRef struct {
	Digest       string `json:"digest"`
	CertificateN int    `json:"certificate_n"`
	NextExpiry   Time   `json:"next_expiry,omitzero"` // the earliest NotAfter among leaf certificates
}

// OSFactsRef stands for OSFacts that are durable in the detail tier.
type OSFactsRef struct {
	Digest string `json:"digest"`
}
