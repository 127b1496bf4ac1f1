package canonical

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const opChange = "read line of a change set"

// ChangeLine is one entry of a change set of a source: a record that is new or newer, or one that is no more.
type ChangeLine struct {
	Delete bool
	Key    model.AdvisoryKey
	Record model.Advisory // where it is no deletion
	// Moved says of a deletion that the record only left its place in the source, for another that has a line of its own.
	Moved bool
}

// DecodeChange reads one line of a change set: {"op":"put","id":…,"path":…,"record":…} with an OSV record, or
// {"op":"del","id":…,"path":…,"moved":…}. The path is that of the record's file at the source: it may say that one id stands for
// several records (see DecodeFile). Errors are those of DecodeOSV.
func DecodeChange(source string, raw []byte) (c ChangeLine, err error) {
	if err := CheckSource(source); err != nil {
		return c, fault.Wrap(opChange, err)
	}
	if len(raw) > MaxRaw {
		return c, fault.New(fault.TooLarge, opChange, "it has %d bytes; the bound is %d", len(raw), MaxRaw)
	}
	if err := scanTo(raw, opChange, maxValues); err != nil {
		return c, err
	}
	var in struct {
		Op     string         `json:"op"`
		ID     string         `json:"id"`
		Path   string         `json:"path"`
		Moved  bool           `json:"moved"`
		Record jsontext.Value `json:"record"`
	}
	if err := decodeAs(opChange, raw, &in); err != nil {
		return c, err
	}
	switch in.Op {
	case "put":
		if c.Record, err = DecodeFile(source, in.Path, in.Record); err != nil {
			return c, err
		}
		if plain := PlainID(c.Record.ID); in.ID != "" && in.ID != c.Record.ID && in.ID != plain {
			return c, fault.New(fault.Invalid, opChange, "the line is of %s and the record of %s", quote(in.ID), c.Record.ID)
		}
		c.Key = c.Record.AdvisoryKey
	case "del":
		id := RecordID(in.Path, in.ID)
		if err := checkID(id); err != nil {
			return c, fault.Wrap(opChange, err)
		}
		c.Delete, c.Moved, c.Key = true, in.Moved, model.AdvisoryKey{Source: source, ID: id}
	default:
		return c, fault.New(fault.Invalid, opChange, "the op is %s; want put or del", quote(in.Op))
	}
	return c, nil
}

// change reads one line of a change set into d.
func (d *Decoded) change(source string, raw []byte) error {
	c, err := DecodeChange(source, raw)
	switch {
	case err != nil:
		return err
	case !c.Delete:
		return d.add(c.Record)
	case !c.Moved:
		d.Deleted = append(d.Deleted, c.Key)
	}
	return nil
}
