package api

import (
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// shownTasks bounds the tasks in the answer about one command.
const shownTasks = 1000

type commandsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
	Before string `query:"before" doc:"next of the page before"`
}

func (s *Server) listCommands(_ context.Context, in *commandsInput) (*out[schema.Commands], error) {
	var before model.CommandID
	if in.Before != "" {
		id, err := model.ParseCommandID(in.Before)
		if err != nil {
			return nil, fault.New(fault.Invalid, "list commands", "before: %w", err)
		}
		before = id
	}
	v, done := s.c.Store.View()
	defer done()
	commands, err := v.Commands(before, in.Limit)
	if err != nil {
		return nil, err
	}
	names, err := s.siteNames(v)
	if err != nil {
		return nil, err
	}
	page := schema.Commands{Commands: make([]schema.Command, 0, len(commands))}
	for _, c := range commands {
		page.Commands = append(page.Commands, commandRow(c, names[c.Site], s.c.Now()))
	}
	if n := len(commands); n == in.Limit {
		page.Next = commands[n-1].ID.String()
	}
	return &out[schema.Commands]{Body: page}, nil
}

func (s *Server) siteNames(v View) (map[model.SiteID]string, error) {
	rows, err := s.siteRows(v)
	if err != nil {
		return nil, err
	}
	names := make(map[model.SiteID]string, len(rows))
	for _, row := range rows {
		names[row.ID] = row.Name
	}
	return names, nil
}

type commandInput struct {
	ID    string `path:"id"`
	After uint64 `query:"after" doc:"version of the answer before; with wait, the answer comes when there is a newer one"`
	Wait  string `query:"wait" doc:"how long to wait for a newer version, at most 60s" example:"30s"`
}

// getCommand reads, and with wait waits on the store's notice until there is something new to read.
func (s *Server) getCommand(ctx context.Context, in *commandInput) (*out[schema.Command], error) {
	const op = "get command"
	id, err := model.ParseCommandID(in.ID)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	wait, err := duration("query.wait", in.Wait, 0, 0, maxWait)
	if err != nil {
		return nil, err
	}
	poll, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		// Taken before reading, so that a commit in between ends the wait at once.
		seen := s.c.Store.Version()
		c, err := s.command(id)
		if err != nil {
			return nil, err
		}
		if c.Version > in.After || command.Terminal(model.CommandState(c.State)) || wait == 0 {
			return &out[schema.Command]{Body: c}, nil
		}
		if _, err := s.c.Store.Wait(poll, seen); err != nil {
			if poll.Err() != nil && ctx.Err() == nil {
				return &out[schema.Command]{Body: c}, nil
			}
			return nil, fault.Wrap(op, err)
		}
	}
}

// command reads a command with its tasks.
func (s *Server) command(id model.CommandID) (schema.Command, error) {
	v, done := s.c.Store.View()
	defer done()
	c, ok, err := v.Command(id)
	if err != nil {
		return schema.Command{}, err
	}
	if !ok {
		return schema.Command{}, fault.New(fault.NotFound, "", "there is no command %s here; the list of commands has the newest", id)
	}
	names, err := s.siteNames(v)
	if err != nil {
		return schema.Command{}, err
	}
	row := commandRow(c, names[c.Site], s.c.Now())
	tasks, err := v.Tasks(id, shownTasks)
	if err != nil {
		return schema.Command{}, err
	}
	for _, t := range tasks {
		h, _, err := v.Host(t.Host)
		if err != nil {
			return schema.Command{}, err
		}
		row.Tasks = append(row.Tasks, taskRow(t, h.Hostname))
	}
	return row, nil
}

// commandTTL bounds how long a command may wait to run.
const (
	commandTTL    = 24 * time.Hour
	minCommandTTL = time.Second
	maxCommandTTL = 30 * 24 * time.Hour
)
