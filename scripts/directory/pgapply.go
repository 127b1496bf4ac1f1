package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// Writer opens a connection.
func (p *postgres) Writer(ctx context.Context) (Writer, error) {
	conn, err := p.server.connect(ctx, "")
	if err != nil {
		return nil, err
	}
	return &pgWriter{conn: conn, upsert: upsertSQL()}, nil
}

type pgWriter struct {
	conn   *pgx.Conn
	upsert string
}

func (w *pgWriter) Close() { _ = w.conn.Close(context.Background()) }

// The statements of a batch. A site writes its own hosts only, and a batch at or below the watermark
// changes nothing.
const (
	markSQL = `UPDATE sites SET epoch = $2, seq = $3 WHERE site_id = $1 AND (epoch, seq) < ($2, $3)`
	beatSQL = `UPDATE hosts h SET status = d.status, last_seen = d.last_seen, mtime = d.mtime, seq = d.seq
 FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) d(host_id, status, last_seen, mtime, seq)
 WHERE h.host_id = d.host_id AND h.site_id = $1`
	removeSQL = `DELETE FROM hosts WHERE host_id = ANY($2::uuid[]) AND site_id = $1`
)

// upsertSQL takes whole rows, each column as an array.
func upsertSQL() string {
	var params, names, selects, sets []string
	for i, c := range columns {
		kind := strings.Fields(c.kind)[0]
		sel := "d." + c.name
		if kind == "text[]" {
			kind, sel = "text", "string_to_array(d."+c.name+", ',')" // no tag has a comma
		}
		params = append(params, fmt.Sprintf("$%d::%s[]", i+1, kind))
		names = append(names, c.name)
		selects = append(selects, sel)
		if i > 0 {
			sets = append(sets, c.name+" = excluded."+c.name)
		}
	}
	list := strings.Join(names, ", ")
	return "INSERT INTO hosts AS h (" + list + ") SELECT " + strings.Join(selects, ", ") + " FROM unnest(" + strings.Join(params, ", ") + ") d(" + list +
		") ON CONFLICT (host_id) DO UPDATE SET " + strings.Join(sets, ", ") + " WHERE h.site_id = excluded.site_id"
}

// Prepare makes the arrays. The batch goes as one transaction in one round trip.
func (w *pgWriter) Prepare(b delivery) (func(context.Context) error, error) {
	site := [16]byte(siteID(b.SiteID))
	var ids, gone [][16]byte
	var status []string
	var seen, mtime, seq []int64
	whole := &columnArrays{}
	for _, d := range b.Deltas {
		id := [16]byte(hostID(d.HostID))
		switch d.Op {
		case fleet.OpBeat:
			ids, status = append(ids, id), append(status, string(fleet.Status(d.Status)))
			seen, mtime, seq = append(seen, d.LastSeen), append(mtime, d.ModTime), append(seq, int64(d.Seq))
		case fleet.OpRemove:
			gone = append(gone, id)
		default:
			whole.add(*d.Host)
		}
	}
	args := whole.args()
	return func(ctx context.Context) error {
		batch := &pgx.Batch{}
		batch.Queue("BEGIN")
		batch.Queue(markSQL, site, int64(b.epoch), int64(b.Seq))
		if len(ids) > 0 {
			batch.Queue(beatSQL, site, ids, status, seen, mtime, seq)
		}
		if whole.n > 0 {
			batch.Queue(w.upsert, args...)
		}
		if len(gone) > 0 {
			batch.Queue(removeSQL, site, gone)
		}
		batch.Queue("COMMIT")
		if err := w.conn.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("batch %d of site %s: %w", b.Seq, b.SiteID, err)
		}
		return nil
	}, nil
}

// columnArrays gathers hosts by column.
type columnArrays struct {
	n      int
	uuids  [2][][16]byte
	longs  [4][]int64
	floats [2][]float64
	ints   [5][]int32
	tenths []int16
	reboot []bool
	texts  [17][]string
	tags   []string
}

func (c *columnArrays) add(h fleet.Host) {
	c.n++
	v := values(h)
	for i := range c.uuids {
		c.uuids[i] = append(c.uuids[i], v[i].([16]byte))
	}
	for i := range c.longs {
		c.longs[i] = append(c.longs[i], v[2+i].(int64))
	}
	for i := range c.floats {
		c.floats[i] = append(c.floats[i], v[6+i].(float64))
	}
	for i := range c.ints {
		c.ints[i] = append(c.ints[i], v[8+i].(int32))
	}
	c.tenths = append(c.tenths, v[13].(int16))
	c.reboot = append(c.reboot, v[14].(bool))
	for i := range c.texts {
		c.texts[i] = append(c.texts[i], v[colStatus+i].(string))
	}
	c.tags = append(c.tags, strings.Join(h.Tags, ","))
}

// args returns the arrays in the order of columns.
func (c *columnArrays) args() []any {
	out := make([]any, 0, len(columns))
	for _, x := range c.uuids {
		out = append(out, x)
	}
	for _, x := range c.longs {
		out = append(out, x)
	}
	for _, x := range c.floats {
		out = append(out, x)
	}
	for _, x := range c.ints {
		out = append(out, x)
	}
	out = append(out, c.tenths, c.reboot)
	for _, x := range c.texts {
		out = append(out, x)
	}
	return append(out, c.tags)
}
