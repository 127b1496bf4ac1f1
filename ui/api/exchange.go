package api

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"sync/atomic"
)

// exchange is one request while it is answered: what the middleware finds out about it, for whoever comes
// after. It is the request's context, so that all of that costs the request one copy.
type exchange struct {
	// Context ends with the connection and, where the operation has one, with its time. The middleware alone
	// replaces it, before the handler has seen it.
	context.Context
	id  [1]string // one element long: it stands in the header as it is
	who actor     // "" until somebody was found
	// proposed is set by the first proposal that has the request's own id.
	proposed atomic.Bool
	route    string // as metrics name the operation; "" until it is known
}

// exchangeKey finds the exchange below contexts that were derived from it.
type exchangeKey struct{}

// Value implements context.Context.
func (x *exchange) Value(key any) any {
	if _, ok := key.(exchangeKey); ok {
		return x
	}
	return x.Context.Value(key)
}

// exchangeOf returns the request that ctx belongs to, nil outside of one.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// requestID returns the id that the answer carries in X-Request-Id.
func requestID(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.id[0]
	}
	return ""
}

// identified gives every request an id, and is where its exchange begins.
func (s *Server) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b [8]byte
		_, _ = io.ReadFull(s.c.Rand, b[:])
		x := &exchange{Context: r.Context()}
		x.id[0] = hex.EncodeToString(b[:])
		w.Header()["X-Request-Id"] = x.id[:]
		if s.c.Observe == nil {
			next.ServeHTTP(w, r.WithContext(x))
			return
		}
		s.observed(w, r.WithContext(x), x, next)
	})
}
