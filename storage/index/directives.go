package index

import (
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// directive is the row of what goes down to a member. The payload is not in it: it is read from the row
// that (Kind, Key) names when the directive is sent, so that a month offline costs one copy of each. Only a kind that has no
// row of its own has it here.
type directive struct {
	Kind model.ItemKind `json:"kind"`
	Key  string         `json:"key"`
	AsOf model.Time     `json:"as_of,omitzero"`

	Payload jsontext.Value `json:"payload,omitzero"`
}

// PutDirective implements apply.Tx. Kinds that do not go down, and keys that cannot name a row, are
// refused with kind fault.Invalid.
func (t *Tx) PutDirective(to model.NodeID, kind model.ItemKind, item string, asOf model.Time) error {
	return t.putDirective(to, directive{Kind: kind, Key: item, AsOf: asOf})
}

// maxCarried bounds the payload of a directive that has it with it, in bytes.
const maxCarried = 16 << 10

// PutDirectiveWith implements apply.Tx.
func (t *Tx) PutDirectiveWith(to model.NodeID, kind model.ItemKind, item string, asOf model.Time, payload jsontext.Value) error {
	const op = "append directive"
	switch {
	case kind != model.ItemAlertAsk:
		return fault.New(fault.Invalid, op, "items of kind %q have a row of their own", kind)
	case len(payload) > maxCarried:
		return fault.New(fault.TooLarge, op, "the payload of %q has %d bytes; the limit is %d", item, len(payload), maxCarried)
	case !payload.IsValid():
		return fault.New(fault.Invalid, op, "the payload of %q is no JSON", item)
	}
	return t.putDirective(to, directive{kind, item, asOf, payload})
}

func (t *Tx) putDirective(to model.NodeID, d directive) error {
	kind, item := d.Kind, d.Key
	if ended(kind) { // an old entry of the log: other nodes gave it a number
		_, err := t.nextDirective()
		return err
	}
	if err := checkDirective(kind, item); err != nil {
		return err
	}
	if !kind.Event() {
		if err := t.dropDirectives(to, item, false); err != nil {
			return err
		}
	}
	seq, err := t.nextDirective()
	if err != nil {
		return err
	}
	if err := t.mark(key.DirectiveKey(to, item, seq)); err != nil {
		return err
	}
	return t.put(key.Directive(to, seq), d)
}

// nextDirective gives the next number of directives.
func (t *Tx) nextDirective() (model.Seq, error) {
	if t.directive == 0 {
		head, err := t.number(key.MetaDirective)
		if err != nil {
			return 0, err
		}
		t.directive = model.Seq(head)
	}
	t.directive++
	return t.directive, nil
}

// ended reports whether items of that kind went down one by one before schema 4, and do not any more.
func ended(kind model.ItemKind) bool {
	return kind == model.ItemAdvisory || kind == model.ItemAdvisoryGone || kind == model.ItemGeneration
}

// RemoveDirective implements apply.Tx.
func (t *Tx) RemoveDirective(to model.NodeID, item string) error {
	return t.dropDirectives(to, item, true)
}

// Directed implements apply.Tx.
func (r *Reader) Directed(to model.NodeID, item string) (payload jsontext.Value, ok bool, err error) {
	var newest model.Seq
	err = r.scan(key.DirectivesKeyed(to, item), func(k, _ []byte) (err error) {
		_, _, newest, err = key.ReadDirectiveKey(k)
		ok = true
		return err
	})
	if err != nil || !ok {
		return nil, false, err
	}
	d, known, err := get[directive](r, key.Directive(to, newest))
	if err == nil && !known {
		err = dangling(key.DirectiveKey(to, item, newest))
	}
	return d.Payload, err == nil, err
}

// DropDirectives implements apply.Tx.
func (t *Tx) DropDirectives(to model.NodeID, most int) error {
	var rows [][]byte
	var others [][]byte
	err := t.scan(key.DirectivesOf(to), func(k, v []byte) error {
		_, seq, err := key.ReadDirective(k)
		if err != nil {
			return err
		}
		var d directive
		if err := t.rows.decode(v, &d); err != nil {
			return readError(k, err)
		}
		rows, others = append(rows, slices.Clone(k)), append(others, key.DirectiveKey(to, d.Key, seq))
		if len(rows) == most {
			return errEnough
		}
		return nil
	})
	if err := enough(err); err != nil {
		return err
	}
	for i, k := range rows {
		if err := t.remove(k); err != nil {
			return err
		}
		if err := t.remove(others[i]); err != nil {
			return err
		}
	}
	return nil
}

// dropDirectives removes the directives with that (to, item), events only where events says so.
func (t *Tx) dropDirectives(to model.NodeID, item string, events bool) error {
	return t.scan(key.DirectivesKeyed(to, item), func(k, _ []byte) error {
		_, _, seq, err := key.ReadDirectiveKey(k)
		if err != nil {
			return err
		}
		row := key.Directive(to, seq)
		if !events {
			d, ok, err := get[directive](&t.Reader, row)
			if err != nil {
				return err
			}
			if !ok {
				return dangling(k)
			}
			if d.Kind.Event() {
				return nil
			}
		}
		if err := t.remove(k); err != nil {
			return err
		}
		return t.remove(row)
	})
}

func checkDirective(kind model.ItemKind, item string) error {
	const op = "append directive"
	if len(item) > model.MaxItemKey {
		return fault.New(fault.TooLarge, op, "the key %.40q… has %d bytes; the limit is %d", item, len(item), model.MaxItemKey)
	}
	switch kind {
	case model.ItemOrder:
		if _, err := model.ParseCommandID(item); err != nil {
			return fault.New(fault.Invalid, op, "%w", err)
		}
		return nil
	case model.ItemPolicy, model.ItemPolicyGone:
		if _, err := model.ParsePolicyID(item); err != nil {
			return fault.New(fault.Invalid, op, "%w", err)
		}
		return nil
	case model.ItemAcceptance, model.ItemAcceptGone:
		_, err := named(item, acceptancePrefix)
		return fault.Wrap(op, err)
	case model.ItemAuthority:
		_, err := named(item, authorityPrefix)
		return fault.Wrap(op, err)
	case model.ItemSigner, model.ItemShelf, model.ItemRestored, model.ItemRule, model.ItemRuleGone, model.ItemAlertAsk:
		return nil
	}
	return fault.New(fault.Invalid, op, "items of kind %q do not go down", kind)
}

// Directives returns what goes down to a member after a sequence, in rising Seq: the directives to it
// and, with includeAll, those to all. Payloads are those of the rows as they are now; directives of rows
// that are gone are left out. It stops before limit items or maxBytes would be exceeded, but returns at
// least one item if there is one.
//
// Nothing is missing up to through: it is the Seq of the last item looked at, or, where there is nothing
// more, the highest Seq given so far.
func (r *Reader) Directives(to model.NodeID, after model.Seq, limit, maxBytes int, includeAll bool) (items []model.Item, through model.Seq, err error) {
	head, err := r.number(key.MetaDirective)
	if err != nil {
		return nil, after, err
	}
	through = after
	size := 0
	err = r.merged(to, after, includeAll, func(seq model.Seq, d directive) error {
		if len(items) >= max(limit, 1) {
			return errEnough
		}
		payload, ok, err := r.payload(to, d)
		if err != nil {
			return err
		}
		if ok {
			size += len(payload) + len(d.Key) + itemOverhead
			if len(items) > 0 && size > maxBytes {
				return errEnough
			}
			items = append(items, model.Item{Seq: seq, Kind: d.Kind, Key: d.Key, AsOf: d.AsOf, Payload: payload})
		}
		through = seq
		return nil
	})
	if err == nil {
		through = max(through, model.Seq(head))
	}
	return items, through, enough(err)
}

// itemOverhead is about what an item's JSON adds to its key and payload, in bytes.
const itemOverhead = 96

// merged calls fn with the directives to a member and, with includeAll, to all, in rising Seq.
func (r *Reader) merged(to model.NodeID, after model.Seq, includeAll bool, fn func(model.Seq, directive) error) error {
	own := func(who model.NodeID) (lower, upper []byte) {
		return key.Directive(who, after+1), key.After(key.DirectivesOf(who))
	}
	lower, upper := own(to)
	if !includeAll || to.IsZero() {
		return r.iterate(lower, upper, func(a *pebble.Iterator) error {
			return r.zip(a, nil, fn)
		})
	}
	return r.iterate(lower, upper, func(a *pebble.Iterator) error {
		lower, upper := own(model.NodeID{})
		return r.iterate(lower, upper, func(b *pebble.Iterator) error {
			return r.zip(a, b, fn)
		})
	})
}

// zip merges two iterators over directives by Seq; b may be nil.
func (r *Reader) zip(a, b *pebble.Iterator, fn func(model.Seq, directive) error) error {
	head := func(it *pebble.Iterator, ok bool) (model.Seq, error) {
		if !ok {
			return 0, nil // no directive has Seq 0: this one is at its end
		}
		_, seq, err := key.ReadDirective(it.Key())
		return seq, err
	}
	seqA, err := head(a, a.First())
	if err != nil {
		return err
	}
	var seqB model.Seq
	if b != nil {
		if seqB, err = head(b, b.First()); err != nil {
			return err
		}
	}
	for seqA != 0 || seqB != 0 {
		it, seq := a, seqA
		if seqA == 0 || seqB != 0 && seqB < seqA {
			it, seq = b, seqB
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return readError(it.Key(), err)
		}
		var d directive
		if err := r.rows.decode(v, &d); err != nil {
			return readError(it.Key(), err)
		}
		if err := fn(seq, d); err != nil {
			return err
		}
		seq, err = head(it, it.Next())
		if err != nil {
			return err
		}
		if it == a {
			seqA = seq
		} else {
			seqB = seq
		}
	}
	return nil
}

// payload returns the row that a directive names as it is now, and whether it is to be sent at all.
func (r *Reader) payload(to model.NodeID, d directive) (jsontext.Value, bool, error) {
	switch d.Kind {
	case model.ItemShelf:
		shelf, err := r.Shelf()
		if err != nil {
			return nil, false, err
		}
		return encoded(shelf.Cursor)
	case model.ItemAcceptance:
		id, err := named(d.Key, acceptancePrefix)
		if err != nil {
			return nil, false, err
		}
		return r.rowJSON(key.Acceptance(id))
	case model.ItemAuthority:
		source, err := named(d.Key, authorityPrefix)
		if err != nil {
			return nil, false, err
		}
		return r.rowJSON(key.Authority(source))
	case model.ItemSigner:
		return r.rowJSON(key.Signer(d.Key))
	case model.ItemOrder:
		return r.order(to, d.Key)
	case model.ItemRestored, model.ItemPolicyGone, model.ItemRuleGone, model.ItemAcceptGone:
		return nil, true, nil
	case model.ItemAlertAsk:
		return d.Payload, len(d.Payload) > 0, nil
	case model.ItemPolicy:
		id, err := model.ParsePolicyID(d.Key)
		if err != nil {
			return nil, false, fault.New(fault.Corrupt, "read directive", "%w", err)
		}
		return r.rowJSON(key.Policy(id))
	case model.ItemRule:
		name, ok := strings.CutPrefix(d.Key, "rule:") // as engine/apply says it
		if !ok {
			return nil, false, fault.New(fault.Corrupt, "read directive", "%q is not the key of a rule", d.Key)
		}
		return r.rowJSON(key.Rule(name))
	}
	return nil, false, fault.New(fault.Corrupt, "read directive", "items of kind %q do not go down", d.Kind)
}

// What stands before the name in the key of an item, as engine/apply says it.
const (
	acceptancePrefix = "acceptance:"
	authorityPrefix  = "authority:"
)

// named returns what an item's key names behind prefix.
func named(item, prefix string) (string, error) {
	name, ok := strings.CutPrefix(item, prefix)
	if !ok || name == "" {
		return "", fault.New(fault.Invalid, "", "%q is not %q and a name", item, prefix)
	}
	return name, nil
}

func encoded(v any) (jsontext.Value, bool, error) {
	b, err := model.Encode(v)
	if err != nil {
		return nil, false, fault.New(fault.Corrupt, "read directive", "%w", err)
	}
	return b, true, nil
}

// rowJSON returns the JSON of a row without decoding it: what is stored is what model.Encode wrote.
func (r *Reader) rowJSON(k []byte) (jsontext.Value, bool, error) {
	v, ok, err := r.raw(k, nil)
	if err != nil || !ok {
		return nil, false, err
	}
	b, err := r.rows.json(v)
	if err != nil {
		return nil, false, readError(k, err)
	}
	return b, true, nil
}

// order returns the model.Order for one member: to the command's site it names every target, to an
// agent the targets that the agent reports.
func (r *Reader) order(to model.NodeID, item string) (jsontext.Value, bool, error) {
	id, err := model.ParseCommandID(item)
	if err != nil {
		return nil, false, fault.New(fault.Corrupt, "read directive", "%w", err)
	}
	c, ok, err := r.Command(id)
	if err != nil || !ok {
		return nil, false, err
	}
	o := model.Order{Command: c}
	whole := model.NodeID(c.Site) == to
	err = r.scan(key.TasksOf(id), func(k, _ []byte) error {
		_, host, err := key.ReadTask(k)
		if err != nil {
			return err
		}
		if !whole {
			h, ok, err := r.Host(host)
			if err != nil || !ok || h.Agent != to {
				return err
			}
		}
		o.Hosts = append(o.Hosts, host)
		return nil
	})
	if err != nil || len(o.Hosts) == 0 {
		return nil, false, err
	}
	b, err := model.Encode(o)
	if err != nil {
		return nil, false, fault.New(fault.Corrupt, "read directive", "%w", err)
	}
	return b, true, nil
}
