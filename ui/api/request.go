package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// A request that changes something may carry an Idempotency-Key. Sent again with it, to whichever node of a group
// of controllers, it is carried out once: the group remembers what came of its last changes (a quarter of a
// million of them). At a site, which is alone, the key is checked and otherwise without effect.
//
// A key is one together with who asks, the operation, its parameters and its body: the same key with another body
// is another request. The group itself compares no bodies, and would answer the second with what came of the first.
//
// A request has one proposal with its id, the first. Those that propose in pieces (ingest, import) have none:
// their pieces are made of what is not stored yet, so that the second piece of one attempt is not that of the
// next, and they may be sent again for that very reason. Nor has a login, whose secret is in one answer only.

const keyHeader = "Idempotency-Key"

// maxKey is how long a key may be, in bytes.
const maxKey = 128

// keyed puts the id of a request into its context.
func (s *Server) keyed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values := r.Header[keyHeader]
		if values == nil || r.Method == http.MethodGet || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		if len(values) != 1 || !goodKey(values[0]) {
			p := newProblem(http.StatusUnprocessableEntity, fault.Invalid, fmt.Sprintf("%s: want 1 to %d printable ASCII characters, once", keyHeader, maxKey))
			p.write(w)
			return
		}
		switch r.URL.Path {
		case base + "/login", base + "/advisories/ingest", base + "/federation/import", base + "/federation/preview":
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body) // at most maxJSON, see limits
		if err != nil {
			s.fail(r.Context(), unread(err)).(*problem).write(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		x := exchangeOf(r.Context())
		x.Context = model.WithRequest(x.Context, requestOf(actorOf(r.Context()).name, r, values[0], body))
		next.ServeHTTP(w, r)
	})
}

// unread says that a body did not come whole.
func unread(err error) error {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return err
	}
	return fault.New(fault.Invalid, "read the request", "its body did not come whole (%w): send it again", err)
}

func goodKey(key string) bool {
	return key != "" && len(key) <= maxKey && printed([]byte(key))
}

// requestOf is the id of a request, the same at every node of a group: the first half of
// SHA-256(actor \0 method \0 path?query \0 key \0 hex of SHA-256(body)).
func requestOf(who string, r *http.Request, key string, body []byte) (id model.RequestID) {
	sum := sha256.Sum256(body)
	h := sha256.New()
	for _, part := range []string{who, r.Method, r.URL.RequestURI(), key} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write([]byte(hex.EncodeToString(sum[:])))
	copy(id[:], h.Sum(nil))
	return id
}

// unkeyed is a context in which nothing is proposed under the request's id.
func unkeyed(ctx context.Context) context.Context {
	if model.RequestOf(ctx).IsZero() {
		return ctx
	}
	return model.WithRequest(ctx, model.RequestID{})
}

// onlyOnce is a Proposer that gives the id of a request to its first proposal alone: a second one under the same id
// would be taken for a repeat of the first.
type onlyOnce struct{ Proposer }

// Propose implements Proposer.
func (p onlyOnce) Propose(ctx context.Context, changes ...model.Change) error {
	if x := exchangeOf(ctx); x != nil && !model.RequestOf(ctx).IsZero() && x.proposed.Swap(true) {
		ctx = unkeyed(ctx)
	}
	return p.Proposer.Propose(ctx, changes...)
}

// repeated says that a request was carried out before, where its answer had something that is not kept.
func repeated(op, then string) error {
	return fault.New(fault.Conflict, op, "this request was carried out before, under the same %s; %s", keyHeader, then)
}
