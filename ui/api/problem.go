package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// statuses is the one table from a kind of failure to an HTTP status.
var statuses = map[fault.Kind]int{
	fault.Other:       http.StatusInternalServerError,
	fault.Invalid:     http.StatusBadRequest,
	fault.NotFound:    http.StatusNotFound,
	fault.Exists:      http.StatusConflict,
	fault.Conflict:    http.StatusConflict,
	fault.Denied:      http.StatusForbidden,
	fault.Login:       http.StatusUnauthorized,
	fault.Expired:     http.StatusGone,
	fault.Unreachable: http.StatusServiceUnavailable,
	fault.Corrupt:     http.StatusInternalServerError, // but see sent
	fault.TooLarge:    http.StatusRequestEntityTooLarge,
	fault.ReadOnly:    http.StatusServiceUnavailable,
	fault.Version:     http.StatusConflict,
	fault.Busy:        http.StatusServiceUnavailable,
	fault.Full:        http.StatusInsufficientStorage,
}

// kindOf is the way back, for failures that arose outside the engine (the router, validation).
func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized:
		return fault.Login
	case http.StatusForbidden, http.StatusTooManyRequests:
		return fault.Denied
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusRequestEntityTooLarge:
		return fault.TooLarge
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fault.Unreachable
	}
	if status >= 500 {
		return fault.Other
	}
	return fault.Invalid
}

// problem is a schema.Problem that huma can write as the answer to a failed operation.
type problem struct {
	schema.Problem
	header http.Header
}

// Error implements error.
func (p *problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// MarshalJSON writes the problem alone.
func (p *problem) MarshalJSON() ([]byte, error) { return json.Marshal(p.Problem) }

func newProblem(status int, kind fault.Kind, detail string) *problem {
	return &problem{Problem: schema.Problem{
		Title: http.StatusText(status), Status: status, Detail: detail, Kind: kind.String(),
	}}
}

// sent marks an error of reading what the caller sent: damage in it is the caller's to mend, where damage
// in this server's own files is not.
type sent struct{ error }

func (e sent) Unwrap() error { return e.error }

// fail turns an error of a handler into the answer. What is unforeseen is logged here, once, with
// the request's id; everything else is the caller's to read.
func (s *Server) fail(ctx context.Context, err error) error {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return newProblem(http.StatusRequestEntityTooLarge, fault.TooLarge, tooLong("this operation", long.Limit))
	}
	kind := fault.KindOf(err)
	status := statuses[kind]
	detail := err.Error()
	var upload sent
	switch {
	case kind == fault.Corrupt && errors.As(err, &upload):
		status = http.StatusBadRequest
	case kind == fault.Corrupt:
		s.c.Log.Error("damage was met", "request", requestID(ctx), "err", err)
	case errors.Is(err, context.DeadlineExceeded):
		kind, status = fault.Unreachable, http.StatusGatewayTimeout
		detail = "no answer in time: " + detail
	case kind == fault.Other || status == 0:
		status = http.StatusInternalServerError
		if !errors.Is(err, context.Canceled) {
			s.c.Log.Error("request failed", "request", requestID(ctx), "err", err)
		}
		detail = fmt.Sprintf("%s (unforeseen; the server's log has it under request %s)", detail, requestID(ctx))
	}
	p = newProblem(status, kind, oneLine(detail))
	if kind == fault.Busy {
		p.header = http.Header{"Retry-After": {"1"}}
	}
	return p
}

// write answers outside huma.
func (p *problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	body, _ := p.MarshalJSON()
	_, _ = w.Write(body)
}

// humaProblem gives huma's own refusals (validation, content negotiation) the shape of every other
// error: one line that names the field.
func humaProblem(ctx huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	detail := e.Detail
	if lines := words(e.Errors); lines != "" {
		detail = lines
	} else if e.Status == http.StatusRequestEntityTooLarge && ctx != nil && ctx.Operation() != nil {
		detail = tooLong(ctx.Operation().OperationID, ctx.Operation().MaxBodyBytes)
	}
	p := newProblem(e.Status, kindOf(e.Status), oneLine(detail))
	if e.Status == http.StatusUnprocessableEntity { // what was sent is wrong, and where
		for _, d := range e.Errors[:min(len(e.Errors), maxWrong)] {
			if d != nil {
				p.Errors = append(p.Errors, schema.ProblemError{Location: d.Location, Message: inWords(d.Message)})
			}
		}
	}
	return p, nil
}

// maxWrong bounds the parts that a problem names one by one.
const maxWrong = 16

// tooLong says which operation's body has more bytes than it may.
func tooLong(operation string, most int64) string {
	return fmt.Sprintf("the request's body is larger than the %d bytes that %s takes: is it the right file?", most, operation)
}

// oneLine keeps an error to one line of a terminal or a log.
func oneLine(s string) string {
	return once(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " "))
}

// once leaves out what an error says twice at its beginning, as in "retire host: retire host: …".
func once(text string) string {
	for {
		head, rest, ok := strings.Cut(text, ": ")
		if !ok || !strings.HasPrefix(rest, head+": ") {
			return text
		}
		text = rest
	}
}
