package link

import (
	"context"
	"errors"
	"net"
	"sync"
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
// until ctx ends; then it closes all sessions and waits for the handlers. A session is closed when
// its handler returns.
func Sessions(ctx context.Context, l net.Listener, limit int, conf AcceptConfig, handle func(context.Context, *Session)) error {
	return Each(ctx, l, limit, func(ctx context.Context, conn net.Conn) {
		s, err := Accept(ctx, conn, conf)
		if err != nil {
			if conf.Log != nil {
				conf.Log.Info("link refused", "remote", conn.RemoteAddr().String(), "err", err)
			}
			return
		}
		stop := context.AfterFunc(ctx, func() { s.Close() })
		defer stop()
		defer s.Close()
		handle(ctx, s)
	})
}
