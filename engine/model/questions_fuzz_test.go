package model

import (
	"maps"
	"strconv"
	"strings"
	"testing"
)

// FuzzQuestions reads what comes by a link as each of the questions that are made of parameters. What is accepted is
// within its bounds, and is written and read again as the same; what is not is refused in one printable line.
func FuzzQuestions(f *testing.F) {
	const id = "01a20040-fb75-730c-bccb-877490036495"
	for _, s := range [][6]string{
		{},
		{"5"},
		{"0"},
		{"-1"},
		{"5000000"},
		{"5", "name:web-*", "openssl", "3.0.2-0ubuntu1", "lt", "web-1\x00x"},
		{"5", "status:(", "", "", "", id},
		{"5", "", "a", "1", "xx", ""},
		{"5", "", "a", "", "lt", ""},
		{"9223372036854775808", "\xff", "\r\n", "\x1b[2J", "ge", id},
		{"5", strings.Repeat("a", 5000), strings.Repeat("b", 5000), strings.Repeat("c", 5000), "eq", strings.Repeat("d", 5000)},
		{"5", "open,acknowledged", "critical", "2026-01-02T03:04:05.000Z", "eq", id},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4], s[5])
	}
	f.Fuzz(func(t *testing.T, limit, query, name, version, op, cursor string) {
		refused := func(what string, err error) {
			if s := err.Error(); len(s) > 1000 || strings.ContainsAny(s, "\n\r\x1b") {
				t.Errorf("%s is refused with %d bytes: %q", what, len(s), s)
			}
		}
		for _, times := range []bool{false, true} {
			p := map[string]string{ParamLimit: limit, paramQuery: query, paramName: name, paramValue: version, paramOp: op, ParamCursor: cursor}
			if times {
				p[ParamFrom], p[paramUntil] = version, query
			}
			before := maps.Clone(p)
			q, err := ReadFleetQuestion(p)
			if !maps.Equal(p, before) {
				t.Error("reading a question changes it")
			}
			if err != nil {
				refused("a question about all hosts", err)
				continue
			}
			if q.Limit < 1 || q.Limit > MaxFleetRows || len(q.Query) > maxFleetQuery || len(q.After) > maxFleetPlace || len(q.Name) > maxFleetWord || len(q.Version) > maxFleetWord {
				t.Errorf("beyond its bounds: %+v", q)
			}
			if again, err := ReadFleetQuestion(q.Params()); err != nil || again != q {
				t.Errorf("%+v is read again as %+v, %v", q, again, err)
			}
		}
		if a, err := ReadAlertFilter(map[string]string{
			ParamAlertStates: query, ParamAlertSeverity: name, ParamAlertRule: version, ParamHost: cursor, ParamAlertAfter: cursor, ParamAlertLimit: limit,
		}); err != nil {
			refused("a question about alerts", err)
		} else if n, _ := strconv.Atoi(limit); a.Limit != n || n < 1 || n > MaxAlertPage {
			t.Errorf("a page of %d alerts of %q", a.Limit, limit)
		}
		if r, err := ReadPolicyQuestion(map[string]string{ParamPolicy: cursor, ParamHost: cursor, ParamPolicyAfter: query, ParamPolicyLimit: limit}); err != nil {
			refused("a question about a policy", err)
		} else if r.Limit < 1 || r.Limit > MaxAlertPage {
			t.Errorf("a page of %d hosts", r.Limit)
		}
	})
}
