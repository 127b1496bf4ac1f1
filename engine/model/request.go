package model

import "context"

// RequestID names one proposal, so that a group of controllers applies it once however often it is sent: an
// answer can be lost where nobody knows whether the proposal was. It is minted before the first attempt and
// kept for every further one. The zero value names none.
type RequestID [16]byte

// IsZero reports whether id names no proposal.
func (id RequestID) IsZero() bool { return id == RequestID{} }

type requestKey struct{}

// WithRequest returns a context whose next proposal has that id. A context is used for one proposal only:
// a second one with the same id would be taken for a repeat of the first.
func WithRequest(ctx context.Context, id RequestID) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestOf returns the id that WithRequest gave; zero where there is none.
func RequestOf(ctx context.Context) RequestID {
	id, _ := ctx.Value(requestKey{}).(RequestID)
	return id
}
