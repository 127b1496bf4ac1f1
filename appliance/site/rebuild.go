package site

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/clock"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/sync/enroll"
)

// Rebuilt says what Rebuild did.
type Rebuilt struct {
	Stores []RebuiltStore
	Kept   string      // the folder with what was there before; empty where nothing was done
	Epoch  model.Epoch // of the outbox from now on
	// Members and Accounts were put back from the copy of the registry.
	Members, Accounts int
	// Hosts are those whose last known rows were put back; they are unknown until they are heard.
	Hosts int
	// Registry says why the copy could not be used; empty where it was, or was not needed.
	Registry string
	Took     time.Duration
}

// RebuiltStore is a store that was made anew, and why.
type RebuiltStore struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// unfinished is a rebuild that has begun: a site that started meanwhile would take the stores that are not there yet
// for those of a new site.
const unfinishedFile = "rebuild.json"

type unfinished struct {
	Stores []RebuiltStore `json:"stores"`
	Kept   string         `json:"kept"`
	Epoch  model.Epoch    `json:"epoch"`
}

// Rebuild makes the damaged stores of a site that does not run anew, and those named in force. What was there is kept in
// a folder of its own. Agents and controller bring again what was in them when the server starts; members, accounts and
// the like come from the copy of the registry. A rebuild that was interrupted goes on where it is called again.
//
// The kinds: Conflict where the server runs, NotFound where this machine is no site, Invalid for a store with no such
// name, ReadOnly where the disk cannot be written.
func Rebuild(ctx context.Context, c config.Config, force []string, log *slog.Logger) (r Rebuilt, err error) {
	const op = "rebuild this site"
	began := time.Now()
	for _, name := range force {
		if !slices.Contains(Stores(), name) {
			return r, fault.New(fault.Invalid, op, "%q is no store of a site: want index, outbox or detail", name)
		}
	}
	if conn, err := net.Dial("unix", c.Socket); err == nil {
		_ = conn.Close()
		return r, fault.New(fault.Conflict, op, "its server runs: stop it first")
	}
	id, err := enroll.LoadIdentity(identityDir(c))
	if fault.Is(err, fault.NotFound) {
		return r, fault.New(fault.NotFound, op, "%w; there is nothing to be rebuilt", err)
	}
	if err != nil {
		return r, err
	}
	b := rebuild{Config: c, id: id, log: log, clock: clock.Open(clock.Config{Path: clockPath(c), Evidence: []time.Time{id.EnrolledAt.Std()}, Log: log})}
	if err := b.plan(ctx, force); err != nil {
		return r, fault.Wrap(op, err)
	}
	if len(b.todo.Stores) > 0 {
		if err := b.carryOut(); err != nil {
			return r, fault.Wrap(op, err)
		}
		r.Kept, r.Epoch = b.todo.Kept, b.todo.Epoch
	}
	r.Stores, r.Members, r.Accounts, r.Registry, r.Took = b.todo.Stores, len(b.registry.Members), len(b.registry.Accounts), b.lacks, time.Since(began)
	r.Hosts = int(b.hosts)
	return r, nil
}

func clockPath(c config.Config) string { return filepath.Join(c.Data, "clock.json") }

// interrupted is an error where a rebuild has not come to its end.
func interrupted(data string) error {
	if _, err := os.Stat(filepath.Join(data, unfinishedFile)); err != nil {
		return nil
	}
	return fault.New(fault.Conflict, "start this site", "a rebuild of its stores was interrupted: run `skerry site rebuild` with its configuration again")
}

// rebuild is one call of Rebuild.
type rebuild struct {
	config.Config
	id    enroll.Identity
	log   *slog.Logger
	clock *clock.Clock
	todo  unfinished

	hosts    int64    // whose rows were put back
	registry registry // of which rows were put back
	lacks    string   // why there is none
}

func (b *rebuild) marked(name string) bool {
	return slices.ContainsFunc(b.todo.Stores, func(s RebuiltStore) bool { return s.Name == name })
}

// plan finds out what is to be made anew, or goes on with what an earlier call began.
func (b *rebuild) plan(ctx context.Context, force []string) error {
	raw, err := os.ReadFile(filepath.Join(b.Data, unfinishedFile))
	if err == nil {
		err = model.Decode(raw, &b.todo)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	epoch := b.id.Epoch
	reg, err := loadRegistry(b.Data)
	if err == nil {
		epoch = max(epoch, reg.Epoch)
	}
	for _, name := range Stores() {
		why, held, err := b.examine(ctx, name)
		if err != nil {
			return err
		}
		epoch = max(epoch, held)
		if why == "" && slices.Contains(force, name) {
			why = "it was named"
		}
		if why != "" {
			b.todo.Stores = append(b.todo.Stores, RebuiltStore{name, why})
		}
	}
	if len(b.todo.Stores) == 0 {
		return nil
	}
	b.todo.Kept = filepath.Join(b.Data, "damaged-"+b.clock.Now().UTC().Format("20060102T150405.000Z"))
	// An older copy of a site may not know the epochs that the site had since, and must not come to one of them.
	b.todo.Epoch = max(epoch+1, model.Epoch(b.clock.Now().Sub(dawn)/time.Minute))
	out, err := model.Encode(b.todo)
	if err != nil {
		return err
	}
	return written(durable.Write(filepath.Join(b.Data, unfinishedFile), out, 0o600))
}

// dawn is when the epochs that a rebuild gives are counted from, in minutes; they last for 8,000 years.
var dawn = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func written(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.ReadOnly, "", "%w; make room on that disk, or the folder writable", err)
}

// examine opens one store, reads it whole and returns why it is damaged, "" if it is not, and the epoch that it holds.
func (b *rebuild) examine(ctx context.Context, name string) (why string, epoch model.Epoch, err error) {
	path := storePath(b.Data, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "it is missing", 0, nil
	}
	switch name {
	case storeIndex:
		store, e := index.Open(path, index.Options{Log: b.log})
		if e != nil {
			err = e
			break
		}
		report, e := store.Check(ctx)
		if err = errors.Join(e, store.Close()); err == nil && !report.OK() {
			why = report.Faults[0]
		}
	case storeOutbox:
		q, e := queue.Open(path, queue.Options{Log: b.log})
		if e != nil {
			err = e
			break
		}
		epoch, err = q.Epoch(), q.Close()
	case storeDetail:
		d, e := detail.Open(path, detail.Options{Log: b.log, Now: b.clock.Now})
		if e != nil {
			err = e
			break
		}
		_, e = d.Verify(ctx) // single bodies heal when they are reported again
		err = errors.Join(e, d.Close())
	}
	if fault.Is(err, fault.Corrupt) {
		return err.Error(), epoch, nil
	}
	return why, epoch, err
}

// carryOut does what is planned. Each step may be done twice.
func (b *rebuild) carryOut() error {
	if err := written(os.MkdirAll(b.todo.Kept, 0o700)); err != nil {
		return err
	}
	for _, s := range b.todo.Stores {
		if err := b.shelve(s.Name); err != nil {
			return err
		}
	}
	if err := b.outbox(); err != nil {
		return err
	}
	if err := b.sources(); err != nil {
		return err
	}
	if err := b.index(); err != nil {
		return err
	}
	if err := written(os.Remove(filepath.Join(b.Data, unfinishedFile))); err != nil {
		return err
	}
	return written(durable.SyncDir(b.Data))
}

// shelve moves a store aside, unless an earlier attempt did: what stands in its place then is the beginning of a new one.
func (b *rebuild) shelve(name string) error {
	from, to := storePath(b.Data, name), filepath.Join(b.todo.Kept, filepath.Base(storePath(b.Data, name)))
	if _, err := os.Stat(to); err == nil {
		return written(os.RemoveAll(from))
	}
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return written(err)
	}
	return written(errors.Join(durable.SyncDir(b.todo.Kept), durable.SyncDir(b.Data)))
}

// sources forgets what was fetched into rows that are no more, so that everything is fetched again.
func (b *rebuild) sources() error {
	if !b.marked(storeIndex) {
		return nil
	}
	for _, name := range []string{serve.SourcesFolder, followFolder} {
		if err := written(os.RemoveAll(filepath.Join(b.Data, name))); err != nil {
			return err
		}
	}
	return written(durable.SyncDir(b.Data))
}

// outbox begins the new epoch, in a new file or in the one that is there: what waits in it goes up in that epoch.
func (b *rebuild) outbox() error {
	if !b.marked(storeOutbox) && !b.marked(storeIndex) {
		return nil
	}
	q, err := queue.Open(storePath(b.Data, storeOutbox), queue.Options{Log: b.log})
	if err != nil {
		return err
	}
	return errors.Join(q.SetEpoch(b.todo.Epoch), q.Close())
}

// index makes the index anew, or has the one that is there ask the agents for all they have.
func (b *rebuild) index() (err error) {
	store, err := index.Open(storePath(b.Data, storeIndex), index.Options{Log: b.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	tx := store.Begin()
	defer tx.Discard()
	detail := map[string]string{"epoch": strconv.FormatUint(uint64(b.todo.Epoch), 10), "kept": b.todo.Kept}
	for _, s := range b.todo.Stores {
		detail[s.Name] = fault.Printable(fault.Clip(s.Why, 400))
	}
	stamp := model.Stamp{Actor: "system", At: model.TimeOf(b.clock.Now())}
	changes := []model.Change{}
	if b.marked(storeIndex) {
		changes = append(changes, model.Found{Stamp: stamp, Self: b.id.Member, Role: model.RoleSite, Name: b.id.Name})
	}
	applyAll := func(changes []model.Change) error {
		for _, c := range changes {
			if _, err := apply.Change(tx, apply.Env{Role: model.RoleSite}, c); err != nil {
				return err
			}
		}
		return nil
	}
	if err := applyAll(changes); err != nil {
		return err
	}
	if b.marked(storeIndex) {
		if err := b.restore(tx, detail); err != nil {
			return err
		}
	}
	if err := forget(tx, b.id.Upper, b.marked(storeIndex)); err != nil {
		return err
	}
	if err := applyAll([]model.Change{model.Note{Stamp: stamp, Action: "site.rebuilt", Object: b.id.Member.String(), OK: true, Detail: detail}}); err != nil {
		return err
	}
	return tx.Commit(store.Applied(), true)
}

// restore puts the rows of the registry into the new index.
func (b *rebuild) restore(tx *index.Tx, detail map[string]string) error {
	reg, err := loadRegistry(b.Data)
	switch {
	case err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Version):
		return err
	case err == nil && reg.Self.Self != b.id.Member:
		err = fault.New(fault.Conflict, "", "it is of site %s", reg.Self.Self)
	}
	if err != nil {
		b.lacks = err.Error()
		detail["registry"] = fault.Printable(fault.Clip(b.lacks, 400))
		return nil
	}
	b.registry = reg
	rules, err := tx.Rules()
	if err != nil {
		return err
	}
	for _, r := range rules { // those of a new site: what an operator has deleted stays deleted
		if err := tx.DeleteRule(r.Name); err != nil {
			return err
		}
	}
	if reg.Audit.Seq > 0 {
		detail["audit_before"] = strconv.FormatUint(uint64(reg.Audit.Seq), 10) + " of " + reg.Audit.At.String()
	}
	if err := reg.put(tx); err != nil {
		return err
	}
	hosts, lacks, err := putRows(tx, b.Data, b.id.Member, reg.Members, model.TimeOf(b.clock.Now()))
	if err != nil {
		return err
	}
	b.hosts = hosts
	detail["hosts"] = strconv.FormatInt(hosts, 10)
	if lacks != nil {
		detail["hosts_lack"] = fault.Printable(fault.Clip(lacks.Error(), 400))
		b.log.Warn("the copy of the hosts' rows could not be used as a whole; of agents without a row only the name is known until they are heard", "reason", lacks.Error())
	}
	return nil
}

// forget drops how far each agent's items are held, so that each sends again what it has.
func forget(tx *index.Tx, upper model.NodeID, all bool) error {
	for _, kind := range []model.MemberKind{model.MemberHost, model.MemberGateway} {
		members, err := tx.Members(kind)
		if err != nil {
			return err
		}
		for _, m := range members {
			if err := tx.PutWatermark(m.ID, model.Position{}); err != nil {
				return err
			}
		}
	}
	if all {
		return tx.PutWatermark(upper, model.Position{})
	}
	return nil
}
