package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

// The columns, in the order of the table: the wide fixed ones first, so that nothing is lost to alignment.
// Names compare by bytes (collation C), as they do in Skerry, which lets one index serve equality, prefix
// and order. Statuses are those of the model; compliance is in tenths of a percent, so that sums are exact;
// times are Unix milliseconds, which cost the client the least to read.
var columns = []struct{ name, kind string }{
	{"host_id", "uuid PRIMARY KEY"},
	{"site_id", "uuid NOT NULL"},
	{"last_seen", "bigint NOT NULL"},
	{"first_seen", "bigint NOT NULL"},
	{"mtime", "bigint NOT NULL"},
	{"seq", "bigint NOT NULL"},
	{"lat", "float8 NOT NULL"},
	{"lng", "float8 NOT NULL"},
	{"cve_critical", "int NOT NULL"},
	{"cve_high", "int NOT NULL"},
	{"updates_pending", "int NOT NULL"},
	{"cpu_count", "int NOT NULL"},
	{"memory_mb", "int NOT NULL"},
	{"compliance", "smallint NOT NULL"},
	{"reboot_required", "bool NOT NULL"},
	{"status", `text COLLATE "C" NOT NULL`},
	{"hostname", `text COLLATE "C" NOT NULL`},
	{"fqdn", `text COLLATE "C" NOT NULL`},
	{"ipv4", "inet NOT NULL"},
	{"ipv6", "inet NOT NULL"},
	{"mac", "macaddr NOT NULL"},
	{"os_name", `text COLLATE "C" NOT NULL`},
	{"os_version", `text COLLATE "C" NOT NULL`},
	{"kernel", `text COLLATE "C" NOT NULL`},
	{"arch", `text COLLATE "C" NOT NULL`},
	{"region", `text COLLATE "C" NOT NULL`},
	{"country", `text COLLATE "C" NOT NULL`},
	{"city", `text COLLATE "C" NOT NULL`},
	{"site_name", `text COLLATE "C" NOT NULL`},
	{"agent_version", `text COLLATE "C" NOT NULL`},
	{"serial", `text COLLATE "C" NOT NULL`},
	{"owner", `text COLLATE "C" NOT NULL`},
	{"tags", `text[] COLLATE "C" NOT NULL`},
}

// The places in columns of those that the answers are judged by.
const (
	colID, colSeen, colCritical, colHigh, colStatus, colName, colTags = 0, 2, 8, 9, 15, 16, 32
)

// indexes are what somebody who knows PostgreSQL would give this mix of questions. Those of the second list
// are the ones that every heartbeat has to touch; without them a heartbeat that does not change the status
// is a HOT update.
var (
	indexes = []string{
		`CREATE INDEX hosts_name ON hosts (hostname, host_id)`,
		`CREATE INDEX hosts_name_trgm ON hosts USING gin (hostname gin_trgm_ops)`,
		`CREATE INDEX hosts_ipv4 ON hosts (ipv4, host_id)`,
		`CREATE INDEX hosts_site ON hosts (site_id, status, hostname, host_id)`,
		`CREATE INDEX hosts_os ON hosts (os_name, os_version, status, hostname, host_id)`,
		`CREATE INDEX hosts_status ON hosts (status, hostname, host_id)`,
		`CREATE INDEX hosts_tags ON hosts USING gin (tags)`,
		`CREATE INDEX hosts_region ON hosts (region, status, os_name)`,
	}
	seenIndexes = []string{
		`CREATE INDEX hosts_seen ON hosts (last_seen DESC, host_id DESC)`,
		`CREATE INDEX hosts_status_seen ON hosts (status, last_seen DESC, host_id DESC)`,
	}
)

// columnList is all columns, as a SELECT names them.
func columnList(prefix string) string {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(prefix + c.name)
	}
	return b.String()
}

// values returns a host in the order of columns.
func values(h fleet.Host) []any {
	return []any{
		[16]byte(hostID(h.HostID)), [16]byte(siteID(h.SiteID)), h.LastSeen, h.FirstSeen, h.ModTime, int64(h.Seq), h.Lat, h.Lng,
		int32(h.CVECritical), int32(h.CVEHigh), int32(h.Updates), int32(h.CPUs), int32(h.MemMB), int16(tenths(h.Compliance)), h.Reboot,
		string(fleet.Status(h.Status)), h.Hostname, h.FQDN, h.IPv4, h.IPv6, h.MAC,
		h.OSName, h.OSVersion, h.Kernel, h.Arch, h.Region, h.Country, h.City, h.SiteName, h.Agent, h.Serial, h.Owner, h.Tags,
	}
}

func tenths(percent float64) int { return int(math.Round(percent * 10)) }

// hostID and siteID read the ids that the fleet made.
func hostID(s string) model.HostID {
	id, err := model.ParseHostID(s)
	if err != nil {
		panic(err) // the fleet wrote it
	}
	return id
}

func siteID(s string) model.SiteID {
	id, err := model.ParseSiteID(s)
	if err != nil {
		panic(err) // the fleet wrote it
	}
	return id
}

// createTables makes the tables without an index but the primary key. The watermark of a site is what makes
// a resent batch harmless, as it is with Skerry.
func createTables(ctx context.Context, c *pgx.Conn) error {
	var b strings.Builder
	for i, col := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(col.name + " " + col.kind)
	}
	return execAll(ctx, c,
		`CREATE EXTENSION IF NOT EXISTS pg_trgm`,
		`DROP TABLE IF EXISTS hosts, sites`,
		`CREATE TABLE hosts (`+b.String()+`) WITH (fillfactor=90, autovacuum_vacuum_scale_factor=0.05, autovacuum_analyze_scale_factor=0.05)`,
		`CREATE TABLE sites (site_id uuid PRIMARY KEY, epoch bigint NOT NULL, seq bigint NOT NULL) WITH (fillfactor=50)`,
	)
}

// tunedIndexes are what somebody would add who wants the last from a few of the kinds and has writes to spare
// for it: tags, status and region in one inverted index (btree_gin), and a roll-up without the table.
var tunedIndexes = []string{
	`CREATE EXTENSION IF NOT EXISTS btree_gin`,
	`DROP INDEX hosts_tags`,
	`CREATE INDEX hosts_tags ON hosts USING gin (tags, status, region)`,
	`CREATE INDEX hosts_rollup ON hosts (site_id) INCLUDE (status, cve_critical, cve_high, reboot_required, updates_pending, compliance)`,
}

func createIndexes(ctx context.Context, c *pgx.Conn, tuned bool) error {
	list := slices.Concat(indexes, seenIndexes)
	if tuned {
		list = append(list, tunedIndexes...)
	}
	return execAll(ctx, c, list...)
}

// settle leaves the tables as a server has them some time after a load: statistics fresh, all rows marked
// as visible to everybody, the log written out.
func settle(ctx context.Context, c *pgx.Conn) error {
	return execAll(ctx, c, `VACUUM (ANALYZE) hosts`, `VACUUM (ANALYZE) sites`, `CHECKPOINT`)
}

func execAll(ctx context.Context, c *pgx.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", clip(s, 80), err)
		}
	}
	return nil
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// copyFleet fills the tables.
func copyFleet(ctx context.Context, c *pgx.Conn, f *fleet.Fleet) error {
	names := make([]string, len(columns))
	for i, col := range columns {
		names[i] = col.name
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rows := make(chan []any, 1024)
	go func() {
		defer close(rows)
		_ = f.Order(500, func(s, n int) error {
			select {
			case rows <- values(f.Host(s, n)):
				return nil
			case <-ctx.Done():
				return ctx.Err() // the copy below says why
			}
		})
	}()
	_, err := c.CopyFrom(ctx, pgx.Identifier{"hosts"}, names, pgx.CopyFromFunc(func() ([]any, error) { return <-rows, nil }))
	if err != nil {
		return fmt.Errorf("copy the fleet: %w", err)
	}
	batch := &pgx.Batch{}
	for _, s := range f.Sites {
		batch.Queue(`INSERT INTO sites VALUES ($1, 0, 0)`, [16]byte(siteID(s.ID)))
	}
	return c.SendBatch(ctx, batch).Close()
}
