package site

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/enroll"
)

var quiet = slog.New(slog.DiscardHandler)

// store is the rows of one server, written to without a queue or a group.
type store struct {
	serve.Rows
	role model.Role
	mu   sync.Mutex // one writer
}

func openStore(t testing.TB, dir string, self model.NodeID, role model.Role) *store {
	t.Helper()
	rows, err := index.Open(dir, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &store{Rows: serve.Rows{Store: rows}, role: role}
	if err := s.Propose(t.Context(), model.Found{Stamp: stamp(), Self: self, Role: role, Name: "here"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *store) Propose(_ context.Context, changes ...model.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx := s.Begin()
	defer tx.Discard()
	for _, c := range changes {
		if _, err := apply.Change(tx, apply.Env{Role: s.role}, c); err != nil {
			return err
		}
	}
	return tx.Commit(0, true)
}

func stamp() model.Stamp { return model.Stamp{Actor: "system", At: model.TimeOf(time.Now())} }

func newID(n byte) (id [16]byte) { id[0], id[15] = 1, n; return id }

func configOf(t *testing.T) config.Config {
	c := config.Default(model.RoleSite)
	c.Data = filepath.Join(t.TempDir(), "data")
	c.Listen, c.Socket = "127.0.0.1:0", filepath.Join(t.TempDir(), "s.sock")
	return c
}

// A folder whose rows belong to another site than its identity must be refused, not waited on for ever.
func TestAnIdentityThatIsNotTheRowsEndsTheRun(t *testing.T) {
	c := configOf(t)
	ca, err := enroll.OpenCA(t.TempDir(), "controller", nil, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := enroll.OpenKey(identityDir(c))
	if err != nil {
		t.Fatal(err)
	}
	m := model.Member{ID: newID(1), Kind: model.MemberSite, Name: "oslo", Epoch: 1}
	cert, err := ca.IssueMember(m, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	err = enroll.SaveIdentity(identityDir(c), enroll.Identity{
		Member: m.ID, Kind: m.Kind, Name: m.Name, Epoch: 1, Upper: newID(2), UpperName: "hq", URL: "https://127.0.0.1:1",
		CACert: string(ca.CertPEM()), Cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := openStore(t, filepath.Join(c.Data, "index"), newID(3), model.RoleSite).Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a run that hangs returns nil then
	defer cancel()
	if err := Run(ctx, c, Options{Log: quiet}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("the run ended with %v", err)
	}
}

// An operator who asks twice is answered twice, with the same identity.
func TestEnrollingTwiceAtOnce(t *testing.T) {
	up := openStore(t, t.TempDir(), newID(2), model.RoleController)
	defer up.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := enroll.OpenCA(t.TempDir(), "controller", nil, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	door, err := serve.OpenDoor(tcp, ca, config.Default(model.RoleController), quiet)
	if err != nil {
		t.Fatal(err)
	}
	joins, err := enroll.NewServer(enroll.ServerConfig{CA: ca, Members: up, Proposer: up, Self: newID(2), Name: "hq", Role: model.RoleController, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running.Go(func() { _ = door.Server.Run(ctx) })
	running.Go(func() { _ = joins.Run(ctx, door.Joins) })

	token, hash, _, err := door.NewToken(model.MemberSite, newID(1))
	if err != nil {
		t.Fatal(err)
	}
	m := model.Member{ID: newID(1), Kind: model.MemberSite, Name: "oslo", TokenHash: hash, TokenExpires: model.TimeOf(time.Now().Add(time.Hour))}
	if err := up.Propose(ctx, model.Invite{Stamp: stamp(), Member: m, Site: &model.Site{ID: newID(1), Name: "oslo"}}); err != nil {
		t.Fatal(err)
	}
	s := &site{Config: configOf(t), log: quiet, enroll: make(chan struct{})}
	errs := make(chan error, 4)
	for range cap(errs) {
		running.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					errs <- fault.New(fault.Other, "enroll", "panic: %v", r)
				}
			}()
			e, err := upper{s}.Enroll(ctx, "https://"+tcp.Addr().String(), token)
			if err == nil && e.Name != "oslo" {
				err = fault.New(fault.Other, "enroll", "enrolled as %+v", e)
			}
			errs <- err
		})
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	<-s.enroll
}

// TestTheNameOfTheEnrollmentCounts: the controller knows the site by it, and whoever reads the configuration is told.
func TestTheNameOfTheEnrollmentCounts(t *testing.T) {
	for name, warned := range map[string]bool{"site": false, "oslo": false, "berlin": true} {
		var log bytes.Buffer
		s := &site{log: slog.New(slog.NewTextHandler(&log, nil)), id: enroll.Identity{Member: newID(1), Name: "oslo"}}
		s.Name = name
		s.named()
		if s.Name != "oslo" {
			t.Errorf("%s: it is called %q", name, s.Name)
		}
		if said := strings.Contains(log.String(), "enrolled=oslo configured=berlin"); said != warned || !warned && log.Len() > 0 {
			t.Errorf("%s: the log says %q", name, log.String())
		}
	}
	s := &site{log: quiet}
	s.Name = "berlin"
	s.named()
	if s.Name != "berlin" {
		t.Errorf("a site that is not enrolled is called %q", s.Name)
	}
	c := configOf(t)
	if name := EnrolledAs(c); name != "" {
		t.Errorf("a folder that is not there is enrolled as %q", name)
	}
	if enrolled(t, c); EnrolledAs(c) != "oslo" {
		t.Errorf("enrolled as %q", EnrolledAs(c))
	}
}
