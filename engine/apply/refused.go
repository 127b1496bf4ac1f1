package apply

import (
	"fmt"
	"slices"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// RulesOfRefusals is the version of log entries from which refused items are rationed, and roll-ups of sites checked.
const RulesOfRefusals = 5

// Bounds of what refused items leave in the audit record, for nothing there is ever removed.
const (
	refusedMost    = 16  // entries about one origin on one day
	refusedOrigins = 128 // origins of one day that have a ration of their own; the others share one
	oneDay         = model.Time(24 * time.Hour / time.Millisecond)
)

// Refusals is what a server keeps of the items that it refused: how many of each origin were written to the audit
// record on this day, and how many there were in all.
type Refusals struct {
	Day model.Time `json:"day"`         // begin of the day (UTC) that By is of
	By  []Refused  `json:"by,omitzero"` // in the order in which they came
	// Total counts every refused item, by who sent it and why: "site/denied".
	Total map[string]uint64 `json:"total,omitzero"`
}

// Refused is one origin on one day; the zero id stands for those beyond the first ones.
type Refused struct {
	Origin  model.NodeID `json:"origin"`
	Written int          `json:"written"`
	More    uint64       `json:"more,omitzero"` // that were counted alone
}

// refuser takes down the refused items of one run.
type refuser struct {
	*applier
	run  *model.Received
	from string    // site, agent or controller
	row  *Refusals // as it becomes; nil until something is refused
}

// refuse takes down one item. The first of an origin on a day are in the audit record one by one. What comes behind them
// is counted, and how many those were is written on the next day on which anything is refused.
func (r *refuser) refuse(item model.Item, why error) error {
	detail := map[string]string{
		"origin": r.run.Origin.String(), "kind": quoted(string(item.Kind)), "seq": fmt.Sprint(uint64(item.Seq)),
	}
	if r.since(RulesOfRefusals) {
		write, err := r.ration(why)
		if err != nil || !write {
			return err
		}
	} else {
		r.lax()
	}
	return r.note(r.run.Stamp, "item.refuse", quoted(item.Key), false, quoted(why.Error()), detail)
}

// ration counts one item and reports whether the audit record has room for it.
func (r *refuser) ration(why error) (write bool, err error) {
	if r.row == nil {
		row, err := r.tx.Refusals()
		if err != nil {
			return false, err
		}
		if row.Total == nil {
			row.Total = map[string]uint64{}
		}
		r.row = &row
	}
	// The days of two nodes of a group, each with a clock of its own, must not give a ration each around midnight.
	if day := r.run.At - r.run.At%oneDay; day > r.row.Day || day < r.row.Day-oneDay {
		if err := r.turn(day); err != nil {
			return false, err
		}
	}
	r.row.Total[r.from+"/"+fault.KindOf(why).String()]++
	at := slices.IndexFunc(r.row.By, func(x Refused) bool { return x.Origin == r.run.Origin })
	if at < 0 {
		x := Refused{Origin: r.run.Origin}
		if len(r.row.By) >= refusedOrigins {
			x.Origin = model.NodeID{}
		}
		if at = slices.IndexFunc(r.row.By, func(y Refused) bool { return y.Origin == x.Origin }); at < 0 {
			at, r.row.By = len(r.row.By), append(r.row.By, x)
		}
	}
	x := &r.row.By[at]
	if x.Written >= refusedMost {
		x.More++
		return false, nil
	}
	x.Written++
	return true, nil
}

// turn begins a day, and writes down how many there were on the one before.
func (r *refuser) turn(day model.Time) error {
	for _, x := range r.row.By {
		if x.More == 0 {
			continue
		}
		object := x.Origin.String()
		if x.Origin.IsZero() {
			object = "others"
		}
		err := r.note(model.Stamp{Actor: "system", At: r.run.At}, "item.refuse_more", object, false, "more of its items were refused on that day than are written down one by one",
			map[string]string{"items": fmt.Sprint(x.More), "day": r.row.Day.Std().UTC().Format(time.DateOnly)})
		if err != nil {
			return err
		}
	}
	r.row.Day, r.row.By = day, nil
	return nil
}

// done keeps what was counted.
func (r *refuser) done() error {
	if r.row == nil {
		return nil
	}
	return r.tx.PutRefusals(*r.row)
}
