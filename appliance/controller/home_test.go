package controller

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/enroll"
)

var discard = slog.New(slog.DiscardHandler)

// home is a data folder of a controller that is alone in its group, with everything that is kept in it open.
type home struct {
	t    *testing.T
	data string
	ca   *enroll.CA
	me   enroll.Node
	serve.Rows
	*node.Node
}

// plainStream is Raft's traffic of a group of one: there is none.
type plainStream struct{ net.Listener }

func (plainStream) Dial(a raft.ServerAddress, limit time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(a), limit)
}

// openHome opens the data folder, and founds a group in an empty one.
func openHome(t *testing.T, data string) *home {
	t.Helper()
	h := &home{t: t, data: data}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := ResumeRestore(data)
	must(err)
	store, err := index.Open(filepath.Join(data, "index"), index.Options{NoWAL: true, Vouched: true})
	must(err)
	h.Rows = serve.Rows{Store: store}
	h.ca, err = enroll.OpenCA(filepath.Join(data, "pki"), "test", nil, nil)
	must(err)
	h.me, err = openNode(data, "one", h.ca, h.Rows.Self)
	must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	h.Node, err = node.Open(t.Context(), node.Config{
		Dir: filepath.Join(data, "raft"), ID: h.me.Member.String(), Address: "127.0.0.1:8443", Stream: plainStream{l}, Store: store,
		FSM: raftfsm.New(store, apply.Env{Role: model.RoleController}, discard), Bootstrap: h.me.Founder(), Log: discard,
	})
	must(err)
	t.Cleanup(func() { _ = h.stop() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must(errors.Join(h.WaitLeader(ctx), h.Fresh(ctx)))
	if _, ok, err := h.Rows.Self(); err != nil || !ok {
		must(err)
		h.propose(model.Found{Stamp: now(), Self: h.me.Upper, Role: model.RoleController, Name: "hq"})
		h.propose(h.me.Register(model.TimeOf(time.Now()), "127.0.0.1:8443"))
	}
	return h
}

func (h *home) stop() error { return errors.Join(h.Node.Close(), h.Rows.Close()) }

// end stops it, as at the end of a process.
func (h *home) end() {
	h.t.Helper()
	if err := h.stop(); err != nil {
		h.t.Fatal(err)
	}
}

func now() model.Stamp {
	return model.Stamp{Actor: "account:ann", At: model.TimeOf(time.Now())}
}

func (h *home) propose(changes ...model.Change) {
	h.t.Helper()
	if err := h.Propose(h.t.Context(), changes...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) source() BackupSource {
	return BackupSource{Store: h.Rows.Store, Node: h.me, Data: h.data, Program: "test", Fresh: h.Fresh}
}

// backup makes one in a file.
func (h *home) backup() string {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "backup")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = h.source().Backup(h.t.Context(), f)
	if err := errors.Join(err, f.Close()); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func account(name string) model.PutAccount {
	return model.PutAccount{Stamp: now(), Account: model.Account{Name: name, PasswordHash: "x"}}
}

func (h *home) has(name string) bool {
	h.t.Helper()
	v := h.Rows.Store.View()
	defer v.Close()
	_, ok, err := v.Account(name)
	if err != nil {
		h.t.Fatal(err)
	}
	return ok
}

func configOf(data string) config.Config {
	c := config.Default(model.RoleController)
	c.Data, c.Cluster.Node, c.Cluster.Address = data, "two", "10.0.0.2:8443"
	return c
}

// refused checks the kind of an error and a part of its text.
func refused(t *testing.T, what string, err error, kind fault.Kind, text string) {
	t.Helper()
	if !fault.Is(err, kind) || !contains(err, text) {
		t.Errorf("%s: %v (%v); want %s about %q", what, err, fault.KindOf(err), kind, text)
	}
}
