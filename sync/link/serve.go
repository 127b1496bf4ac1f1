package link

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// Each hands every connection of l to handle in a goroutine of its own, at most limit at once, until
// ctx ends or l is closed; then it closes l and waits for the handlers. The ctx of a handler ends with
// the one given here; the handler closes its connection.
func Each(ctx context.Context, l net.Listener, limit int, handle func(context.Context, net.Conn)) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	slots := make(chan struct{}, limit)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		wg.Go(func() {
			defer func() { <-slots }()
			handle(ctx, conn)
		})
	}
}

// Sessions accepts the members that dial l, at most limit at once, and calls handle with each session
// until ctx ends; then it waits for the handlers, which have a moment for a last word before their sessions are
// closed. A session is closed when its handler returns. Who comes beyond the limit is told to come back later.
func Sessions(ctx context.Context, l net.Listener, limit int, conf AcceptConfig, handle func(context.Context, *Session)) error {
	var held atomic.Int64
	conf.all = new(throng)
	full := conf
	full.Admit = func(context.Context, Peer) error {
		return fault.Later(fault.New(fault.Busy, "", "this server holds %d links already, which is all that it can; it is tried again", limit), fullWait)
	}
	return Each(ctx, l, limit+maxRefusing, func(ctx context.Context, conn net.Conn) {
		admit := conf
		if held.Add(1) > int64(limit) {
			admit = full
		}
		defer held.Add(-1)
		s, err := Accept(ctx, conn, admit)
		if err != nil {
			if conf.Log != nil {
				conf.Log.Info("link refused", "remote", conn.RemoteAddr().String(), "err", err)
			}
			return
		}
		stop := context.AfterFunc(ctx, func() {
			select {
			case <-s.Done():
			case <-time.After(lastWord):
			}
			s.Close()
		})
		defer stop()
		defer s.Close()
		handle(ctx, s)
	})
}

const (
	maxRefusing = 64              // who are told at once that there is no room
	fullWait    = time.Minute     // what they are told to wait
	lastWord    = 2 * time.Second // of a handler, when the server stops
)
