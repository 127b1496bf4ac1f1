package wire

import (
	"fmt"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// The protocol versions that this build speaks. History: see DESIGN.md.
const (
	MinVersion = 1
	MaxVersion = 3
)

// VersionParts is the first version in which a large item may come in parts, VersionFetch the first one in which the lower
// side may fetch a bundle.
const (
	VersionParts = 2
	VersionFetch = 3
)

// Window is how many items frames a side may have on the way without an acknowledgement. It is part
// of the protocol: the receiver keeps room for so many and refuses more.
const Window = 4

// Lengths of texts in bodies, in bytes.
const (
	maxLabel  = 256
	maxText   = 4096
	maxParams = 32
	maxPEM    = 16 << 10
	maxAddr   = 260      // HOST:PORT
	maxSecret = 32 << 10 // what a controller that joins is given, so that the frame stays within MaxControl
)

// Hello opens the items stream; Welcome answers it. Each says who speaks, which protocol versions it
// can, and how far it durably holds what the other one sent, so that a restarted side goes on at the
// right place.
type Hello struct {
	MinVersion int            `json:"min_version"`
	MaxVersion int            `json:"max_version"` // in a Welcome both are the version chosen
	Node       model.NodeID   `json:"node"`
	Name       string         `json:"name"`
	Software   string         `json:"software"` // for people: "skerry 0.1.0"
	Epoch      model.Epoch    `json:"epoch"`    // of the items that the speaker will send
	Held       model.Position `json:"held"`     // of the other side's items; zero: nothing
	Now        model.Time     `json:"now"`      // the speaker's clock, to show skew; never used for order
	// Begun is what the speaker has of an item behind Held that came in parts and is not whole yet; nil: nothing.
	// From version 2.
	Begun *Begun `json:"begun,omitzero"`

	// What follows is of agents, and skipped by those that do not know it. Run is random and the same for as long as
	// the speaker's process lives, so that two processes with one key are told apart; Machine is the same on one machine
	// and another on a copy of it, as far as that can be seen. Both are at most 64 bytes.
	Run     string           `json:"run,omitzero"`
	Machine string           `json:"machine,omitzero"`
	Can     *model.Abilities `json:"can,omitzero"` // what the speaker can do; nil: it does not say

	// What follows is of a Welcome: Heard is how often, in seconds, an agent is to be heard at the least, and Report how
	// often it is to look at packages and certificates. Zero: nothing is wished; at most a day.
	Heard  int64 `json:"heard,omitzero"`
	Report int64 `json:"report,omitzero"`
}

const (
	maxMachine = 64
	maxPace    = 24 * 60 * 60 // seconds
)

// Welcome is Hello from the accepting side.
type Welcome Hello

// Items is a run of one origin's items. Through is the place up to which nothing is missing once
// these are held: at least the last item's Seq, and beyond it where the origin's numbers have a gap.
// An empty list only moves Through.
type Items struct {
	Epoch   model.Epoch  `json:"epoch"`
	Through model.Seq    `json:"through"`
	Items   []model.Item `json:"items,omitzero"` // at most model.MaxItemsRun, Seq rising
}

// Ack says how far the receiver holds; it never moves back within a stream.
type Ack struct {
	Held model.Position `json:"held"`
}

// Ask is a question that the upper side puts to the lower one on a stream of its own. The answer is
// Answer frames whose chunks together are one JSON value, then End; or Fault.
type Ask struct {
	Route  string            `json:"route"`
	Params map[string]string `json:"params,omitzero"`
}

// Fault carries a fault.Error over the link.
type Fault struct {
	Kind string `json:"kind"` // the stable name of the fault.Kind
	Text string `json:"text"`
	// RetryAfter is how many seconds from now another attempt makes sense; zero: nothing is advised. An older
	// peer skips it.
	RetryAfter int64 `json:"retry_after,omitzero"`
}

// Enroll is a newcomer's claim. Its key is the one it proved in the TLS handshake.
type Enroll struct {
	Member   model.NodeID `json:"member"`   // the id that the token names
	Secret   string       `json:"secret"`   // hex; the token's secret
	Name     string       `json:"name"`     // what the newcomer calls itself; for the record only
	Software string       `json:"software"` // for people
	// Address is HOST:PORT where a controller that joins a group is to be reached. At most 260 bytes.
	Address string `json:"address,omitzero"`
}

// Enrolled is the answer to Enroll: all that the newcomer must keep.
type Enrolled struct {
	Member    model.NodeID     `json:"member"`
	Kind      model.MemberKind `json:"kind"`
	Name      string           `json:"name"`
	Epoch     model.Epoch      `json:"epoch"`
	UpperID   model.NodeID     `json:"upper_id"`
	UpperName string           `json:"upper_name"`
	CACert    string           `json:"ca_cert"` // PEM
	Cert      string           `json:"cert"`    // PEM, the member's own
	// Secrets is JSON of what a controller that joined must hold beside its certificate; empty for every
	// other member. At most 32 KiB.
	Secrets []byte `json:"secrets,omitzero"`
}

// Body is a frame's body that can judge its own bounds.
type Body interface{ check() error }

// Decode reads a body: wire.Decode[wire.Hello](bytes). The error is Corrupt for what is no such body,
// TooLarge where a stated bound is exceeded.
func Decode[T any, P interface {
	*T
	Body
}](b []byte) (T, error) {
	var v T
	if err := model.Decode(b, &v); err != nil {
		return *new(T), fault.New(fault.Corrupt, "", "decode %s: %w", nameOf(v), err)
	}
	if err := P(&v).check(); err != nil {
		return *new(T), fault.Wrap("decode "+nameOf(v), err)
	}
	return v, nil
}

func nameOf(v any) string { return fmt.Sprintf("%T", v) }

func (h *Hello) check() error {
	switch {
	case h.MinVersion < 1 || h.MaxVersion < h.MinVersion:
		return fault.New(fault.Corrupt, "", "protocol versions %d to %d make no range", h.MinVersion, h.MaxVersion)
	case h.Node.IsZero():
		return fault.New(fault.Corrupt, "", "the speaker's id is missing")
	case h.Epoch == 0:
		return fault.New(fault.Corrupt, "", "the speaker's epoch is missing")
	}
	if h.Begun != nil {
		if err := h.Begun.check(); err != nil {
			return err
		}
	}
	if h.Heard < 0 || h.Heard > maxPace || h.Report < 0 || h.Report > maxPace {
		return fault.New(fault.Corrupt, "", "an interval is not in 0 to %d seconds", maxPace)
	}
	if h.Can != nil {
		for _, list := range [][]string{h.Can.Commands, h.Can.Items} {
			if len(list) > model.MaxAbilities {
				return fault.New(fault.TooLarge, "", "%d abilities exceed the bound of %d", len(list), model.MaxAbilities)
			}
			for _, name := range list {
				if err := within(maxMachine, "ability", name); err != nil {
					return err
				}
			}
		}
	}
	if err := within(maxMachine, "run", h.Run, "machine", h.Machine); err != nil {
		return err
	}
	return within(maxLabel, "name", h.Name, "software", h.Software)
}

func (w *Welcome) check() error { return (*Hello)(w).check() }

func (r *Items) check() error {
	if r.Epoch == 0 {
		return fault.New(fault.Corrupt, "", "the epoch is missing")
	}
	if len(r.Items) > model.MaxItemsRun {
		return fault.New(fault.TooLarge, "", "%d items in one run exceed the bound of %d", len(r.Items), model.MaxItemsRun)
	}
	var last model.Seq
	for i := range r.Items {
		it := &r.Items[i]
		switch {
		case it.Seq <= last:
			return fault.New(fault.Corrupt, "", "item %d of a run has seq %d after %d: they must rise", i, it.Seq, last)
		case len(it.Key) > model.MaxItemKey:
			return fault.New(fault.TooLarge, "", "item %d has a key of %d bytes; the bound is %d", it.Seq, len(it.Key), model.MaxItemKey)
		case len(it.Payload) > model.MaxPayload:
			return fault.New(fault.TooLarge, "", "item %d has a payload of %d bytes; the bound is %d", it.Seq, len(it.Payload), model.MaxPayload)
		}
		if it.Kind == "" {
			return fault.New(fault.Corrupt, "", "item %d has no kind", it.Seq)
		}
		if err := within(64, "kind", string(it.Kind)); err != nil {
			return err
		}
		last = it.Seq
	}
	if r.Through < last || r.Through == 0 {
		return fault.New(fault.Corrupt, "", "a run through %d holds item %d", r.Through, last)
	}
	return nil
}

func (a *Ack) check() error {
	if a.Held.Epoch == 0 {
		return fault.New(fault.Corrupt, "", "the epoch is missing")
	}
	return nil
}

func (a *Ask) check() error {
	if a.Route == "" {
		return fault.New(fault.Corrupt, "", "the route is missing")
	}
	if len(a.Params) > maxParams {
		return fault.New(fault.TooLarge, "", "%d parameters exceed the bound of %d", len(a.Params), maxParams)
	}
	for k, v := range a.Params {
		if err := within(maxText, "parameter", k, "parameter's value", v); err != nil {
			return err
		}
	}
	return within(maxLabel, "route", a.Route)
}

func (f *Fault) check() error { return within(MaxControl, "kind", f.Kind, "text", f.Text) }

func (e *Enroll) check() error {
	if e.Member.IsZero() {
		return fault.New(fault.Corrupt, "", "the member's id is missing")
	}
	if err := within(maxAddr, "address", e.Address); err != nil {
		return err
	}
	return within(maxLabel, "secret", e.Secret, "name", e.Name, "software", e.Software)
}

func (e *Enrolled) check() error {
	if e.Member.IsZero() || e.UpperID.IsZero() || e.Epoch == 0 {
		return fault.New(fault.Corrupt, "", "an id or the epoch is missing")
	}
	if len(e.Secrets) > maxSecret {
		return fault.New(fault.TooLarge, "", "the secrets have %d bytes; the bound is %d", len(e.Secrets), maxSecret)
	}
	if err := within(maxPEM, "CA certificate", e.CACert, "certificate", e.Cert); err != nil {
		return err
	}
	return within(maxLabel, "kind", string(e.Kind), "name", e.Name, "upper name", e.UpperName)
}

// within checks pairs of a label and a text against a length in bytes.
func within(max int, pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if len(pairs[i+1]) > max {
			return fault.New(fault.TooLarge, "", "the %s has %d bytes; the bound is %d", pairs[i], len(pairs[i+1]), max)
		}
	}
	return nil
}
