package index

import (
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Command returns a command.
func (r *Reader) Command(id model.CommandID) (model.Command, bool, error) {
	return get[model.Command](r, key.Command(id))
}

// Commands returns commands with an id below before (zero: all), newest first, at most limit; 0 is all.
// Ids are UUIDs of version 7, so that their order is the order in which they were made.
func (r *Reader) Commands(before model.CommandID, limit int) ([]model.Command, error) {
	var upper []byte
	if !before.IsZero() {
		upper = key.Command(before)
	}
	return newest[model.Command](r, key.SpaceCommand.Prefix(), upper, limit)
}

// OpenCommands calls fn with every command that is not in a terminal state, oldest first.
func (r *Reader) OpenCommands(fn func(model.Command) error) error {
	return r.scan(key.SpaceCommandOpen.Prefix(), func(k, _ []byte) error {
		id, err := key.ReadCommandOpen(k)
		if err != nil {
			return err
		}
		c, ok, err := r.Command(id)
		if err != nil {
			return err
		}
		if !ok {
			return dangling(k)
		}
		return fn(c)
	})
}

// PutCommand implements apply.Tx.
func (t *Tx) PutCommand(c model.Command) error {
	old, ok, err := t.Command(c.ID)
	if err != nil {
		return err
	}
	var entries [][]byte
	if ok {
		entries = commandEntries(old)
	}
	if err := t.reindex(entries, commandEntries(c)); err != nil {
		return err
	}
	return t.put(key.Command(c.ID), c)
}

// Task returns a command's row on one host.
func (r *Reader) Task(cmd model.CommandID, host model.HostID) (model.Task, bool, error) {
	return get[model.Task](r, key.Task(cmd, host))
}

// EachTask calls fn with every task of a command, by host id.
func (r *Reader) EachTask(cmd model.CommandID, fn func(model.Task) error) error {
	return each(r, key.TasksOf(cmd), fn)
}

// Tasks returns the tasks of a command by host id, at most limit; 0 is all (model.MaxTargets at most).
func (r *Reader) Tasks(cmd model.CommandID, limit int) ([]model.Task, error) {
	return all[model.Task](r, key.TasksOf(cmd), limit)
}

// PutTask implements apply.Tx.
func (t *Tx) PutTask(k model.Task) error { return t.put(key.Task(k.Command, k.Host), k) }
