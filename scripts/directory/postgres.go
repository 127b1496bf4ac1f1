package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"

	"github.com/jackc/pgx/v5"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
)

// postgres is the engine that Skerry is compared with.
type postgres struct {
	server *server
	// choice is the way that serves each kind best; see calibrate.
	choice map[string]choice
}

// choice is one way of asking: the name of a variant, and whether the plan is made anew for the values of
// each question (it then fits them, and costs the planning) or once (PostgreSQL decides after five times).
type choice struct {
	variant string
	custom  bool
}

func (c choice) String() string {
	if c.custom {
		return c.variant + ", planned each time"
	}
	return c.variant
}

func (p *postgres) Name() string { return "PostgreSQL" }

// Session opens connections that read rows by Scan.
func (p *postgres) Session(ctx context.Context) (Session, error) { return p.session(ctx, false) }

// byHand is the same server, its rows read from the bytes of the wire.
type byHand struct{ *postgres }

func (byHand) Name() string { return "PG by hand" }

// Session opens connections that read rows by hand.
func (p byHand) Session(ctx context.Context) (Session, error) { return p.session(ctx, true) }

// session opens connections: one for each way of planning.
func (p *postgres) session(ctx context.Context, hand bool) (Session, error) {
	s := &pgSession{p: p, hand: hand}
	var err error
	if s.auto, err = p.server.connect(ctx, "plan_cache_mode=auto"); err != nil {
		return nil, err
	}
	if s.custom, err = p.server.connect(ctx, "plan_cache_mode=force_custom_plan"); err != nil {
		return nil, errors.Join(err, s.auto.Close(ctx))
	}
	return s, nil
}

type pgSession struct {
	p            *postgres
	hand         bool // rows are read by hand, not by Scan
	auto, custom *pgx.Conn
}

func (s *pgSession) Close() {
	_ = s.auto.Close(context.Background()) // nothing is lost with it
	_ = s.custom.Close(context.Background())
}

// Query asks in the way that was chosen for the kind. The statement is prepared at its first use.
func (s *pgSession) Query(ctx context.Context, q fleet.Query) (Answer, error) {
	c := s.p.choice[q.Kind]
	for _, v := range variants(q) {
		if v.name == c.variant || c.variant == "" {
			return s.ask(ctx, q, v, c.custom)
		}
	}
	// A kind may ask in shapes that have not all the same variants; the first one is there for all.
	return s.ask(ctx, q, variants(q)[0], c.custom)
}

func (s *pgSession) ask(ctx context.Context, q fleet.Query, v variant, custom bool) (Answer, error) {
	conn := s.auto
	if custom {
		conn = s.custom
	}
	rows, err := conn.Query(ctx, v.sql, v.args...)
	if err != nil {
		return Answer{}, fmt.Errorf("%s (%s): %w", q.Kind, v.name, err)
	}
	defer rows.Close()
	var a Answer
	switch q.Op {
	case fleet.OpPage:
		a, err = readPage(rows, q.Limit, s.hand)
	case fleet.OpCount:
		a, err = readCount(rows)
	case fleet.OpFacets:
		a, err = readFacets(rows)
	default:
		a, err = readRollup(rows)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("%s (%s): %w", q.Kind, v.name, err)
	}
	return a, nil
}

// pgRow is one host, every value of it read from the wire: by Scan, or by hand, which costs the client less.
type pgRow struct {
	ids     [2][16]byte
	longs   [4]int64
	floats  [2]float64
	ints    [5]int32
	tenths  int16
	reboot  bool
	texts   [17]string // of which ipv4, ipv6 and mac in their binary form
	tags    []string
	invalid bool
	// Scan's only:
	addrs [2]netip.Addr
	mac   net.HardwareAddr
}

func readPage(rows pgx.Rows, limit int, hand bool) (Answer, error) {
	out := make([]pgRow, 0, limit)
	for rows.Next() {
		out = append(out, pgRow{})
		r := &out[len(out)-1]
		if hand {
			r.read(rows.RawValues())
		} else if err := rows.Scan(r.targets()...); err != nil {
			return Answer{}, err
		}
	}
	if err := rows.Err(); err != nil {
		return Answer{}, err
	}
	for i := range out {
		if out[i].invalid {
			return Answer{}, errors.New("a row is not in the binary form that was asked for")
		}
	}
	return Answer{Lines: func() ([]string, error) {
		lines := make([]string, len(out))
		for i := range out {
			r := &out[i]
			lines[i] = rowLine(model.HostID(r.ids[0]), r.texts[1], model.HostStatus(r.texts[0]), r.longs[0], int(r.ints[0]), int(r.ints[1]), len(r.tags))
		}
		return lines, nil
	}}, nil
}

// read reads the columns in the order of columns.
func (r *pgRow) read(v [][]byte) {
	if len(v) != len(columns) || len(v[0]) != 16 || len(v[1]) != 16 || len(v[13]) != 2 || len(v[14]) != 1 {
		r.invalid = true
		return
	}
	copy(r.ids[0][:], v[0])
	copy(r.ids[1][:], v[1])
	for i := range r.longs {
		if len(v[2+i]) != 8 {
			r.invalid = true
			return
		}
		r.longs[i] = int64(binary.BigEndian.Uint64(v[2+i]))
	}
	for i := range r.floats {
		r.floats[i] = math.Float64frombits(binary.BigEndian.Uint64(v[6+i]))
	}
	for i := range r.ints {
		r.ints[i] = int32(binary.BigEndian.Uint32(v[8+i]))
	}
	r.tenths = int16(binary.BigEndian.Uint16(v[13]))
	r.reboot = v[14][0] == 1
	for i := range r.texts {
		r.texts[i] = string(v[colStatus+i])
	}
	r.tags = readTextArray(v[colTags])
}

// targets are the places that Scan puts the columns in.
func (r *pgRow) targets() []any {
	return []any{
		&r.ids[0], &r.ids[1], &r.longs[0], &r.longs[1], &r.longs[2], &r.longs[3], &r.floats[0], &r.floats[1],
		&r.ints[0], &r.ints[1], &r.ints[2], &r.ints[3], &r.ints[4], &r.tenths, &r.reboot,
		&r.texts[0], &r.texts[1], &r.texts[2], &r.addrs[0], &r.addrs[1], &r.mac,
		&r.texts[6], &r.texts[7], &r.texts[8], &r.texts[9], &r.texts[10], &r.texts[11], &r.texts[12], &r.texts[13],
		&r.texts[14], &r.texts[15], &r.texts[16], &r.tags,
	}
}

// readTextArray reads an array of text in binary form: dimensions, flags, type, then length and lower bound
// of each dimension, then the elements with their lengths, all in 32 bits.
func readTextArray(b []byte) []string {
	if len(b) < 20 {
		return nil // no dimension: no element
	}
	n := int(binary.BigEndian.Uint32(b[12:]))
	b = b[20:]
	out := make([]string, 0, n)
	for range n {
		l := int(int32(binary.BigEndian.Uint32(b)))
		out = append(out, string(b[4:4+l]))
		b = b[4+l:]
	}
	return out
}

func readCount(rows pgx.Rows) (Answer, error) {
	var n int64
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return Answer{}, err
		}
	}
	return Answer{Lines: func() ([]string, error) { return []string{countLine(int(n))}, nil }}, rows.Err()
}

func readFacets(rows pgx.Rows) (Answer, error) {
	facets := map[string]facet{}
	total, untagged := 0, 0
	for rows.Next() {
		var name, value, second string
		var n, distinct int64
		if err := rows.Scan(&name, &value, &second, &n, &distinct); err != nil {
			return Answer{}, err
		}
		if name == "total" {
			total, untagged = int(n), int(distinct)
			continue
		}
		f := facets[name]
		if name == "os" {
			value = fleet.SystemID(value) + " " + second
		}
		f.distinct = int(distinct)
		f.values = append(f.values, facetValue{value, int(n)})
		facets[name] = f
	}
	tags := facets["tag"]
	tags.none = untagged
	facets["tag"] = tags
	return Answer{Lines: func() ([]string, error) { return facetLines(total, facets), nil }}, rows.Err()
}

func readRollup(rows pgx.Rows) (Answer, error) {
	var out []siteSums
	for rows.Next() {
		var s siteSums
		if err := rows.Scan((*[16]byte)(&s.site), &s.hosts, &s.up, &s.late, &s.down, &s.unknown, &s.critical, &s.high, &s.reboot, &s.updates, &s.compliance); err != nil {
			return Answer{}, err
		}
		s.complianceN = s.hosts
		out = append(out, s)
	}
	return rollupAnswer(out), rows.Err()
}
