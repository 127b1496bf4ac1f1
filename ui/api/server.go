package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/engine/fault"
)

// Serve answers on l, whose connections are TLS already, until ctx ends, and keeps the catalog of advisories ready
// meanwhile; it then lets requests finish for up to five seconds.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	count := s.counted()
	x := s.newLanes(l, count)
	defer context.AfterFunc(ctx, x.end)()
	if s.c.Store != nil {
		keeping, rest := context.WithCancel(ctx)
		kept := make(chan struct{})
		go func() {
			defer close(kept)
			s.keepCatalog(keeping)
		}()
		defer func() { rest(); <-kept }()
	}
	err := s.serve(ctx, x, count, nil)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	x.stop(grace)
	return err
}

// ServeSocket answers on the Unix socket that ListenSocket opened, until ctx ends. Who connects there
// needs no password: the kernel says which user it is, and only the user that runs this server and root
// are let in.
func (s *Server) ServeSocket(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, s.counted(), func(ctx context.Context, c net.Conn) context.Context {
		uid, err := peerUID(c)
		if err != nil || (uid != os.Getuid() && uid != 0) {
			s.c.Log.Warn("refused a connection to the local socket", "uid", uid, "err", err)
			_ = c.Close()
			return ctx
		}
		return context.WithValue(ctx, actorKey{}, actor{name: fmt.Sprintf("local:%d", uid), local: true})
	})
}

// graceTime is how long requests have to finish when the server stops.
const graceTime = 5 * time.Second

func (s *Server) serve(ctx context.Context, l net.Listener, count func(net.Conn, http.ConnState), conn func(context.Context, net.Conn) context.Context) error {
	// Requests are not cut off the moment ctx ends: they get until the shutdown's own limit.
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.c.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       conn,
		ConnState:         count,
	}
	server.RegisterOnShutdown(s.end) // watchers would else be waited for until the limit
	var g errgroup.Group
	stopped := make(chan struct{})
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-stopped:
			return nil
		}
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
		defer cancel()
		if server.Shutdown(grace) != nil {
			cut()
			return server.Close()
		}
		return nil
	})
	g.Go(func() error {
		defer close(stopped)
		err := server.Serve(l)
		if errors.Is(err, http.ErrServerClosed) || ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	})
	return g.Wait()
}

// maxConns bounds the connections to one listener of this interface. Whoever reaches the port can open
// them, and the links of the members live in the same process.
const maxConns = 4096

// counted closes connections beyond the bound as they come.
func (s *Server) counted() func(net.Conn, http.ConnState) {
	var mu sync.Mutex
	open, told := map[net.Conn]struct{}{}, false
	return func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case state == http.StateClosed || state == http.StateHijacked:
			if _, ok := open[c]; ok {
				delete(open, c)
				told = false
			}
		case state != http.StateNew:
		case len(open) >= s.conns:
			if !told { // once, and not for each of a flood
				s.c.Log.Warn("connections are closed as they come: there are too many", "remote", c.RemoteAddr().String(), "most", s.conns)
				told = true
			}
			_ = c.Close()
		default:
			open[c] = struct{}{}
		}
	}
}

// ListenSocket makes the local socket (mode 0600; one that a dead server left is replaced). Its folder is
// the server's own data folder, so whoever could replace the socket could replace the data. The kind is
// fault.Conflict where another server answers there.
func ListenSocket(path string) (net.Listener, error) {
	if len(path) > 100 {
		return nil, fault.New(fault.Invalid, "open the local socket",
			"%s is %d bytes long and the system allows about 100: set socket: to a shorter path", path, len(path))
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fault.New(fault.Conflict, "open the local socket",
				"%s exists and is not a socket: move it away or set socket: to another path", path)
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return nil, fault.New(fault.Conflict, "open the local socket",
				"another server answers on %s: stop it, or give this one its own data folder", path)
		}
		_ = os.Remove(path)
	}
	// The socket is made under another name, closed to others, and only then given its name, so that
	// there is no moment in which another user could connect.
	hidden, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, fault.New(fault.Other, "open the local socket", "%w", err)
	}
	defer func() { _ = os.RemoveAll(hidden) }()
	temp := filepath.Join(hidden, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, fault.New(fault.Other, "open the local socket", "%w", err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(temp, 0o600), os.Rename(temp, path)); err != nil {
		_ = l.Close()
		return nil, fault.New(fault.Other, "open the local socket", "%w", err)
	}
	return &socket{Listener: l, path: path}, nil
}

// socket removes its path when it is closed, once: net/http closes it twice, and by the second time
// the path may be the socket of whoever came next.
type socket struct {
	net.Listener
	path string
	once sync.Once
	err  error
}

// Close removes the socket and stops listening.
func (s *socket) Close() error {
	s.once.Do(func() { s.err = errors.Join(ignoreGone(os.Remove(s.path)), s.Listener.Close()) })
	return s.err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
