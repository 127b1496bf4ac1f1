// Package query is the language in which people search the directory, and the form of the questions
// and answers that come of it.
//
// It owns the fields, the grammar (Parse), what an expression means for one host (Match), completion,
// and the cursors of pages. It is the one parser for command line, API and page. It stores nothing
// and finds nothing by itself: storage/search answers a million hosts at once, and Match is what its
// answers are held against. docs/search.md, written from the tables here, is the page for people.
package query

import (
	"net/netip"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// Expr is a search: All, And, Or, Not or Term. It never changes once made.
type Expr interface{ isExpr() }

// All matches every host. It is what the empty text means.
type All struct{}

// And matches a host that each of its parts matches. It has at least two parts.
type And []Expr

// Or matches a host that any of its parts matches. It has at least two parts.
type Or []Expr

// Not matches a host that X does not match.
type Not struct{ X Expr }

// Term is one condition on one field. Which of its values are set depends on the field's Kind.
type Term struct {
	Field Field
	// Part narrows the field: the severity in cve:critical>0 ("critical", "high", "medium", "low", "none",
	// "unknown"; "" is the sum of them). Only FieldCVE has parts.
	Part string
	Op   Op

	// Pattern is what KindText, KindWord, KindVersion and KindOS compare with, for OpIs. For KindOS it is
	// matched as OSMatches says: with the system's id, its whole name, each word of it, … FieldAny: see Field.
	Pattern Pattern
	// Version is what KindVersion and KindOS compare with for the four orders (CompareVersions), and for
	// KindOS also for OpIs where HasVersion (os:debian:12, os:debian=12): that version or one of its line, so
	// that os:rhel:9 has 9.4. It is folded.
	Version    string
	HasVersion bool

	Number    float64       // KindNumber; KindBool: 1 yes, 0 no
	Unknown   bool          // OpIs alone: the host has no value (updates:unknown, reboot:unknown, seen:never)
	Age       time.Duration // KindAge, KindUntil: relative to now, where At is zero
	At        model.Time    // KindAge, KindUntil: an absolute time
	Low, High netip.Addr    // KindAddress: inclusive, of one family; an address, a prefix or a range
	MAC       string        // KindMAC: lower-case, colons, whole or a prefix of whole octets; KindID: the id
	Status    model.HostStatus

	Pos, End int // bytes [Pos, End) of the source text
}

func (All) isExpr()  {}
func (And) isExpr()  {}
func (Or) isExpr()   {}
func (Not) isExpr()  {}
func (Term) isExpr() {}

// Op is how a Term compares.
type Op uint8

// The operators. For KindAge "greater" means longer ago: seen:>2h is a host that was last seen more than
// two hours ago, and with an absolute time seen:>2026-01-01 means after it. For KindUntil "less" means
// sooner: cert:<30d expires within thirty days.
const (
	OpIs           Op = 1
	OpLess         Op = 2
	OpLessEqual    Op = 3
	OpGreater      Op = 4
	OpGreaterEqual Op = 5
)

// Shape says where a Pattern's text must stand.
type Shape uint8

// The shapes.
const (
	ShapeExact    Shape = 1 // web-01
	ShapePrefix   Shape = 2 // web*
	ShapeSuffix   Shape = 3 // *web
	ShapeContains Shape = 4 // *web*
	ShapeGlob     Shape = 5 // anything else with *: web*-0*1
	ShapeAny      Shape = 6 // *: has any value at all, which is not empty
	ShapeCounted  Shape = 7 // KindOS alone: the whole OSText and nothing else, as in os:"debian 12"
)

// Pattern is a piece of text to look for, without regard to case (Fold).
type Pattern struct {
	Shape Shape
	Text  string // folded, without the stars; for ShapeGlob folded, with them
}

// Search asks for one page.
type Search struct {
	Where Expr // nil is All
	Sort  Sort // zero: by name, rising
	After *Cursor
	// Skip is how many hosts behind After (or the beginning) are left out: it costs a little for each, so it
	// is for jumping, and cursors are for going on.
	Skip  int
	Limit int // 1 to MaxPage; zero is DefaultPage
	// Now is what relative ages are measured from.
	Now model.Time
}

// Bounds of a page.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// Sort is an order of hosts. Hosts that are equal in it are ordered by id, in the same direction; hosts
// without a value come last in both directions.
type Sort struct {
	Field Field  // one whose Info says Sortable; zero is FieldName
	Part  string // as in Term
	Desc  bool
}

// Page is one page of hosts.
type Page struct {
	Hosts []model.Host
	Total int     // hosts that match, on all pages
	Next  *Cursor // of the next page; nil on the last
}

// Facet counts the values of one field among the hosts that match.
type Facet struct {
	Field  Field
	Values []Count // by falling N, then by value; at most as many as were asked for
	// Distinct is how many different values there are. A host with several tags counts once for each.
	Distinct int
	// None is how many of the hosts have no value.
	None int
}

// Count is a value and how many hosts have it.
type Count struct {
	Value string
	N     int
}

// Group is how many of the hosts that match have a pair of values; "" is no value.
type Group struct {
	A, B string
	N    int
}

// Grouped is the answer to a group-by.
type Grouped struct {
	Groups   []Group // by falling N, then A, then B; at most as many as were asked for
	Distinct int     // pairs that there are
	Total    int     // hosts that match
}
