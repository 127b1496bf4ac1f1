package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// pgBin is where Debian puts the programs of PostgreSQL 15.
const pgBin = "/usr/lib/postgresql/15/bin"

// pgSettings are what somebody who knows PostgreSQL would set for this use on a machine of 2 cores and 24
// GiB. Durability is left whole. JIT costs more than it gives for questions of milliseconds.
var pgSettings = []string{
	"shared_buffers=2GB", "effective_cache_size=12GB", "work_mem=64MB", "maintenance_work_mem=1GB",
	"random_page_cost=1.1", "effective_io_concurrency=200", "jit=off",
	"fsync=on", "synchronous_commit=on", "full_page_writes=on", "wal_compression=lz4", "wal_buffers=64MB",
	"max_wal_size=8GB", "min_wal_size=2GB", "checkpoint_timeout=15min", "checkpoint_completion_target=0.9",
	"wal_level=minimal", "max_wal_senders=0",
	"max_parallel_workers_per_gather=2", "max_parallel_workers=2", "max_worker_processes=8",
	"autovacuum_naptime=10s", "autovacuum_vacuum_cost_limit=2000",
	"default_statistics_target=500", "max_connections=64",
}

// server is a PostgreSQL of our own: its folder, its port on loopback, its password.
type server struct {
	bin           string // folder of its programs
	dir, password string
	port          int
	cred          *syscall.Credential
	cmd           *exec.Cmd
	done          chan error
	version       string
}

// errNoPostgres says that there is none on this machine.
var errNoPostgres = errors.New("there is no PostgreSQL 15")

// startServer makes a new database in a folder below parent and starts it.
func startServer(ctx context.Context, bin, parent string) (*server, error) {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s: `apt-get install postgresql-15` puts it in %s (its own service need not run)", errNoPostgres, bin, pgBin)
	}
	s := &server{bin: bin, password: rand.Text()}
	var err error
	if s.dir, err = os.MkdirTemp(parent, "postgres-"); err != nil {
		return nil, err
	}
	if err := s.initialise(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

func (s *server) initialise(ctx context.Context) error {
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		uid, gid, err := servant()
		if err != nil {
			return err
		}
		s.cred = &syscall.Credential{Uid: uid, Gid: gid}
		if err := errors.Join(os.Chown(s.dir, int(uid), int(gid)), os.Chown(secret, int(uid), int(gid))); err != nil {
			return err
		}
	}
	out, err := s.command(ctx, "initdb", "-D", s.data(), "-U", "skerry", "--auth=scram-sha-256", "--pwfile="+secret,
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	return l.Close()
}

// servant returns who PostgreSQL runs as where this program is root.
func servant() (uid, gid uint32, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		return uint32(uid), uint32(gid), errors.Join(err1, err2)
	}
	return 0, 0, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

func (s *server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC"}
	// A group of its own, so that Ctrl-C reaches this program alone and the database stops in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setpgid: true}
	return cmd
}

// start starts the server and waits until it answers.
func (s *server) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	for _, v := range pgSettings {
		args = append(args, "-c", v)
	}
	// Not bound to ctx, which would kill it: stop ends it.
	s.cmd = s.command(context.WithoutCancel(ctx), "postgres", args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.done = make(chan error, 1)
	go func() { s.done <- s.cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := s.connect(ctx, "")
		if err == nil {
			err = conn.QueryRow(ctx, "SHOW server_version").Scan(&s.version)
			return errors.Join(err, conn.Close(ctx))
		}
		select {
		case end := <-s.done:
			s.done <- end
			return fmt.Errorf("PostgreSQL ended by itself (%v):\n%s", end, s.tail())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, s.tail()), s.stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *server) tail() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// connect opens a connection; setting is a parameter of it, as in "plan_cache_mode=force_custom_plan", or "".
func (s *server) connect(ctx context.Context, setting string) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(fmt.Sprintf("postgres://skerry:%s@127.0.0.1:%d/postgres?sslmode=disable", s.password, s.port))
	if err != nil {
		return nil, err
	}
	if name, value, ok := strings.Cut(setting, "="); ok {
		c.RuntimeParams[name] = value
	}
	return pgx.ConnectConfig(ctx, c)
}

// stop ends the server in order: a fast shutdown with its last checkpoint.
func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(2 * time.Minute):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.done
		s.cmd = nil
		return errors.New("PostgreSQL did not stop within two minutes")
	}
	s.cmd = nil
	return nil
}

// close ends the server and removes its folder.
func (s *server) close() error { return errors.Join(s.stop(), os.RemoveAll(s.dir)) }
