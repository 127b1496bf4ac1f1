package site

import (
	"context"
	"strconv"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const defaultAudit = 100

// number reads a parameter that counts; where it is absent, it is usual.
func number(op, name, text string, usual, most uint64) (uint64, error) {
	if text == "" {
		return usual, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		return 0, fault.New(fault.Invalid, op, "%s: %q is no number up to %d", name, fault.Clip(text, 24), most)
	}
	return n, nil
}

// auditPage answers with entries of this site's own audit record.
func (d drill) auditPage(_ context.Context, params map[string]string) (any, error) {
	const op = "read the audit record"
	before, err := number(op, model.ParamBefore, params[model.ParamBefore], 0, 1<<63)
	if err != nil {
		return nil, err
	}
	limit, err := number(op, model.ParamLimit, params[model.ParamLimit], defaultAudit, model.MaxAuditPage)
	if err != nil {
		return nil, err
	}
	limit = max(limit, 1)
	v := d.rows.Store.View()
	defer v.Close()
	entries, err := v.Audit(model.Seq(before), int(limit))
	if err != nil {
		return nil, err
	}
	page := model.AuditPage{At: model.TimeOf(d.clock.Now()), Entries: append(make([]model.AuditEntry, 0, len(entries)), entries...)}
	bytes := 0
	for i := range page.Entries {
		e := &page.Entries[i]
		bytes += 300 + len(e.Reason) + len(e.Object)
		for k, v := range e.Detail {
			bytes += len(k) + len(v)
		}
		if bytes > maxPageSize && i > 0 {
			page.Entries = page.Entries[:i]
			break
		}
	}
	if n := len(page.Entries); n > 0 && page.Entries[n-1].Seq > 1 {
		page.Next = page.Entries[n-1].Seq
	}
	return page, nil
}

// evidence answers with what was kept of something that this site refused.
func (d drill) evidence(_ context.Context, params map[string]string) (any, error) {
	const op = "read what was refused"
	seq, err := number(op, model.ParamSeq, params[model.ParamSeq], 0, 1<<63)
	if err != nil {
		return nil, err
	}
	v := d.rows.Store.View()
	entries, err := v.Audit(model.Seq(seq)+1, 1)
	_ = v.Close()
	if err != nil {
		return nil, err
	}
	if seq == 0 || len(entries) == 0 || entries[0].Seq != model.Seq(seq) {
		return nil, fault.New(fault.NotFound, op, "this site has no audit entry %d", seq)
	}
	e := model.Evidence{At: model.TimeOf(d.clock.Now()), Entry: entries[0], Digest: entries[0].Detail["body"]}
	if e.Digest == "" {
		return nil, fault.New(fault.NotFound, op, "nothing was kept with audit entry %d: only what agents sent and this site refused is, and not every repeat of it", seq)
	}
	body, ok, err := d.detail.Body(e.Digest)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, op, "what was kept with audit entry %d has gone: it is kept for %s", seq, d.Detail.Retention.Audit)
	}
	e.Body, e.Size = body, len(body)
	if n, err := strconv.Atoi(entries[0].Detail["bytes"]); err == nil {
		e.Size = max(n, e.Size)
	}
	return e, nil
}
