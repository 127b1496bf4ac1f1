package apply

import (
	"strconv"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// repair sends rows up again.
func (a *applier) repair(c model.Repair) error {
	const op = "send rows again"
	self, err := a.self()
	if err != nil {
		return err
	}
	switch n := len(c.Hosts); {
	case a.env.Role != model.RoleSite:
		return fault.New(fault.Invalid, op, "only a site sends rows")
	case n == 0:
		return nil
	case n > model.MaxRepair:
		return fault.New(fault.TooLarge, op, "%d hosts; the bound is %d", n, model.MaxRepair)
	}
	sent, gone := 0, 0
	for _, id := range c.Hosts {
		h, ok, err := a.tx.Host(id)
		if err != nil {
			return err
		}
		if ok {
			sent++
			err = a.emit(model.ItemHost, id.String(), c.At, h)
		} else {
			gone++
			err = a.emit(model.ItemHostGone, id.String(), c.At, nil)
		}
		if err != nil {
			return err
		}
	}
	return a.note(c.Stamp, "site.repair", self.String(), true, "", map[string]string{"sent": strconv.Itoa(sent), "gone": strconv.Itoa(gone)})
}
