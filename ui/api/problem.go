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
	fault.Corrupt:     http.StatusBadRequest,
	fault.TooLarge:    http.StatusRequestEntityTooLarge,
	fault.ReadOnly:    http.StatusServiceUnavailable,
	fault.Version:     http.StatusConflict,
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

// fail turns an error of a handler into the answer. What is unforeseen is logged here, once, with
// the request's id; everything else is the caller's to read.
func (s *Server) fail(ctx context.Context, err error) error {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return newProblem(http.StatusRequestEntityTooLarge, fault.TooLarge,
			fmt.Sprintf("the request's body is larger than the %d bytes that this operation takes", tooLong.Limit))
	}
	kind := fault.KindOf(err)
	status := statuses[kind]
	detail := err.Error()
	switch {
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
	return newProblem(status, kind, oneLine(detail))
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
func humaProblem(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	var lines []string
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		line := d.Message
		where := strings.TrimPrefix(d.Location, "body.")
		if where != "" && where != "body" {
			line = where + ": " + line
		}
		switch v := d.Value.(type) {
		case nil:
		case string, float64, int, bool:
			if s := fmt.Sprint(v); len(s) <= 48 && s != "" && where != "body" && !secret(where) {
				line += fmt.Sprintf(" (got %q)", s)
			}
		}
		lines = append(lines, line)
		if len(lines) == 3 && len(e.Errors) > 3 {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Errors)-3))
			break
		}
	}
	detail := e.Detail
	if len(lines) > 0 {
		detail = strings.Join(lines, "; ")
	}
	return newProblem(e.Status, kindOf(e.Status), oneLine(detail)), nil
}

// secret reports whether a field's value must not be repeated in an error: errors end up in logs.
func secret(field string) bool { return field == "password" || field == "token" }

// oneLine keeps an error to one line of a terminal or a log.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
