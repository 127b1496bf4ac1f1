package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/skerryhq/skerry/appliance/fleet"
)

// variant is one way of asking PostgreSQL. Which one serves a kind best is measured (calibrate), so that it is not
// for us to guess.
type variant struct {
	name string
	sql  string
	args []any
}

// where is the conditions of a question in SQL.
type where struct {
	conds []string
	args  []any
}

func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

func (w *where) add(format string, v any) {
	w.conds = append(w.conds, fmt.Sprintf(format, w.arg(v)))
}

func (w *where) text() string {
	if len(w.conds) == 0 {
		return "true"
	}
	return strings.Join(w.conds, " AND ")
}

// conditions writes what q asks for; name is the expression of the host name: with hostname||” the trigram
// index cannot serve a substring, which leaves the walk along an index that is in the order of the answer.
func conditions(q fleet.Query, name string) *where {
	w := &where{}
	if q.Hostname != "" {
		w.add("hostname = %s", q.Hostname)
	}
	if q.Prefix != "" {
		// A range, because LIKE with a parameter cannot use the index under a plan made once.
		w.add("hostname >= %s", q.Prefix)
		w.add("hostname < %s", q.Prefix[:len(q.Prefix)-1]+string(q.Prefix[len(q.Prefix)-1]+1))
	}
	if q.Substr != "" {
		w.add(name+" LIKE %s", "%"+fleet.LikeEscape(q.Substr)+"%")
	}
	if q.IP != "" {
		w.add("ipv4 = %s", netip.MustParseAddr(q.IP))
	}
	if q.CIDR != "" {
		p := netip.MustParsePrefix(q.CIDR)
		w.add("ipv4 >= %s", p.Masked().Addr())
		w.add("ipv4 <= %s", lastOf(p))
	}
	if q.SiteID != "" {
		w.add("site_id = %s", [16]byte(siteID(q.SiteID)))
	}
	if q.OSName != "" {
		w.add("os_name = %s", q.OSName)
	}
	if q.OSVersion != "" {
		w.add("os_version = %s", q.OSVersion)
	}
	if q.Status != "" {
		w.add("status = %s", string(fleet.Status(q.Status)))
	}
	if q.Region != "" {
		w.add("region = %s", q.Region)
	}
	if len(q.Tags) > 0 {
		w.add("tags @> %s::text[]", q.Tags)
	}
	for _, t := range q.NotTags {
		w.add("NOT tags @> ARRAY[%s::text]", t)
	}
	if q.AfterHost != "" {
		w.conds = append(w.conds, fmt.Sprintf("(hostname, host_id) > (%s, %s)", w.arg(q.AfterHost), w.arg([16]byte(hostID(q.AfterID)))))
	}
	return w
}

func lastOf(p netip.Prefix) netip.Addr {
	_, hi := fleet.CIDRRange(p.String())
	return netip.AddrFrom4([4]byte{byte(hi >> 24), byte(hi >> 16), byte(hi >> 8), byte(hi)})
}

// walking is the expression of the host name that keeps the trigram index out.
const walking = "(hostname || '')"

// variants returns the ways of asking q, all with the same answer.
func variants(q fleet.Query) []variant {
	switch q.Op {
	case fleet.OpPage:
		return pageVariants(q)
	case fleet.OpCount:
		return countVariants(q)
	case fleet.OpFacets:
		return facetVariants(q)
	}
	return rollupVariants()
}

func pageVariants(q fleet.Query) []variant {
	order, late := "hostname, host_id", "x.hostname, x.host_id"
	switch q.Sort {
	case fleet.SortSeen:
		order, late = "last_seen DESC, host_id DESC", "x.last_seen DESC, x.host_id DESC"
	case fleet.SortIP:
		order, late = "ipv4, host_id", "x.ipv4, x.host_id"
	}
	plain := func(name string) (string, []any) {
		w := conditions(q, name)
		return fmt.Sprintf("SELECT %s FROM hosts WHERE %s ORDER BY %s LIMIT %s", columnList(""), w.text(), order, w.arg(q.Limit)), w.args
	}
	// Late: the keys of the page first, from indexes alone where they suffice, then its rows.
	lately := func(name string) (string, []any) {
		w := conditions(q, name)
		keys := strings.ReplaceAll(order, " DESC", "")
		return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM hosts WHERE %s ORDER BY %s LIMIT %s) x JOIN hosts h USING (host_id) ORDER BY %s",
			columnList("h."), keys, w.text(), order, w.arg(q.Limit), late), w.args
	}
	// Narrow: everything that matches is found first, without an eye on the order.
	narrow := func() (string, []any) {
		w := conditions(q, "hostname")
		keys := strings.ReplaceAll(order, " DESC", "")
		return fmt.Sprintf("WITH m AS MATERIALIZED (SELECT %s FROM hosts WHERE %s), x AS (SELECT * FROM m ORDER BY %s LIMIT %s) SELECT %s FROM x JOIN hosts h USING (host_id) ORDER BY %s",
			keys, w.text(), order, w.arg(q.Limit), columnList("h."), late), w.args
	}
	var out []variant
	add := func(name, sql string, args []any) { out = append(out, variant{name, sql, args}) }
	sql, args := plain("hostname")
	add("plain", sql, args)
	sql, args = lately("hostname")
	add("late", sql, args)
	if q.Substr != "" {
		sql, args = plain(walking)
		add("walk", sql, args)
		sql, args = lately(walking)
		add("late walk", sql, args)
	}
	if q.Substr != "" || len(q.Tags) > 0 {
		sql, args = narrow()
		add("narrow", sql, args)
	}
	return out
}

func countVariants(q fleet.Query) []variant {
	w := conditions(q, "hostname")
	out := []variant{{"plain", "SELECT count(*) FROM hosts WHERE " + w.text(), w.args}}
	if q.Substr != "" {
		w := conditions(q, walking)
		out = append(out, variant{"walk", "SELECT count(*) FROM hosts WHERE " + w.text(), w.args})
	}
	return out
}

const severity = "CASE WHEN cve_critical > 0 THEN 'critical' WHEN cve_high > 0 THEN 'high' ELSE 'clean' END"

// facetVariants count all facets in one statement: the first facetTop values of each and how many there are.
// A row without a value says how many hosts there are, and how many of them have no tag.
func facetVariants(q fleet.Query) []variant {
	top := fmt.Sprintf(`SELECT f, v, v2, n, d FROM (SELECT f, v, v2, n, row_number() OVER w AS r, count(*) OVER (PARTITION BY f) AS d FROM g
 WINDOW w AS (PARTITION BY f ORDER BY n DESC, v COLLATE "C", v2 COLLATE "C")) t WHERE r <= %d`, facetTop)
	match := "SELECT status, os_name, os_version, site_name, region, " + severity + " AS severity, tags FROM hosts WHERE "
	sets := func(from, n string) string {
		return `SELECT CASE grouping(status, os_name, site_name, region, severity) WHEN 15 THEN 'status' WHEN 23 THEN 'os' WHEN 27 THEN 'site' WHEN 29 THEN 'region' ELSE 'severity' END AS f,
 coalesce(status, os_name, site_name, region, severity) AS v, coalesce(os_version, '') AS v2, ` + n + ` AS n
 FROM ` + from + ` GROUP BY GROUPING SETS ((status), (os_name, os_version), (site_name), (region), (severity))`
	}
	tags := ` UNION ALL SELECT 'tag', t, '', count(*) FROM m, unnest(tags) t GROUP BY t`
	total := ` UNION ALL SELECT 'total', '', '', count(*), count(*) FILTER (WHERE tags = '{}') FROM m`
	one := func(name string) (string, []any) {
		w := conditions(q, name)
		return "WITH m AS MATERIALIZED (" + match + w.text() + "), g AS (" + sets("m", "count(*)") + tags + ") " + top + total, w.args
	}
	// Two steps: equal rows are made one before the sets are counted.
	two := func(name string) (string, []any) {
		w := conditions(q, name)
		return "WITH m AS MATERIALIZED (" + match + w.text() +
			"), d AS MATERIALIZED (SELECT status, os_name, os_version, site_name, region, severity, count(*) AS n FROM m GROUP BY 1, 2, 3, 4, 5, 6), g AS (" +
			sets("d", "sum(n)::bigint") + tags + ") " + top + total, w.args
	}
	// Apart: each facet by itself, which lets each choose its plan and its workers.
	apart := func(name string) (string, []any) {
		w := conditions(q, name)
		from := " FROM hosts WHERE " + w.text()
		var parts []string
		for _, f := range [][2]string{{"status", "status, ''"}, {"os", "os_name, os_version"}, {"site", "site_name, ''"}, {"region", "region, ''"}, {"severity", severity + ", ''"}} {
			parts = append(parts, "SELECT '"+f[0]+"' AS f, "+strings.Replace(f[1], ",", " AS v,", 1)+" AS v2, count(*) AS n"+from+" GROUP BY 2, 3")
		}
		parts = append(parts, "SELECT 'tag', t, '', count(*) FROM (SELECT unnest(tags) AS t"+from+") u GROUP BY t")
		return "WITH g AS (" + strings.Join(parts, " UNION ALL ") + ") " + top +
			" UNION ALL SELECT 'total', '', '', count(*), count(*) FILTER (WHERE tags = '{}')" + from, w.args
	}
	var out []variant
	add := func(name, sql string, args []any) { out = append(out, variant{name, sql, args}) }
	sql, args := one("hostname")
	add("one pass", sql, args)
	sql, args = two("hostname")
	add("two steps", sql, args)
	sql, args = apart("hostname")
	add("apart", sql, args)
	if q.Substr != "" {
		sql, args = one(walking)
		add("one pass, walk", sql, args)
	}
	return out
}

func rollupVariants() []variant {
	return []variant{{"plain", `SELECT site_id, count(*), count(*) FILTER (WHERE status = 'up'), count(*) FILTER (WHERE status = 'late'),
 count(*) FILTER (WHERE status = 'down'), count(*) FILTER (WHERE status = 'unknown'), sum(cve_critical), sum(cve_high),
 count(*) FILTER (WHERE reboot_required), sum(updates_pending), sum(compliance) FROM hosts GROUP BY site_id`, nil}}
}
