package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestLaneHead: the fields of an answer are those of its header and of no answer before it, in the order of their
// names, and none of them can begin another.
func TestLaneHead(t *testing.T) {
	w := laneWriter{header: http.Header{}}
	for i, header := range []http.Header{
		{"Content-Type": {"a"}, "X-Request-Id": {"1"}},
		{"Content-Type": {"b"}, "X-Request-Id": {"2"}},
		{"Content-Type": {"a"}, "X-Request-Id": {"3"}, "Retry-After": {"1"}},
		{"Content-Type": {"a"}, "X-Request-Id": {"4"}, "Content-Length": {"7"}},
		{"Content-Type": {"a"}, "Vary": {"one", "two"}},
		{"Content-Type": {"a\r\nSet-Cookie: x=1"}, "Vary": {"b\nc\r"}},
		{"Date": {"never"}, "Vary": {"b"}},
		{},
		{"Vary": {"c"}},
	} {
		clear(w.header)
		maps.Copy(w.header, header)
		w.status = http.StatusOK
		w.writeHead(7)
		var want strings.Builder
		want.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nDate: " + string(w.date))
		for _, name := range slices.Sorted(maps.Keys(header)) {
			if name == "Content-Length" || name == "Date" {
				continue
			}
			for _, value := range header[name] {
				want.WriteString("\r\n" + name + ": " + strings.NewReplacer("\r", " ", "\n", " ").Replace(value))
			}
		}
		want.WriteString("\r\n\r\n")
		if string(w.head) != want.String() {
			t.Errorf("answer %d:\n%q\nwant\n%q", i, w.head, want.String())
		}
	}
}

// BenchmarkLaneHead is the head of one answer after another of its kind.
func BenchmarkLaneHead(b *testing.B) {
	w := laneWriter{header: http.Header{
		"Content-Security-Policy": plainPolicy, "Strict-Transport-Security": strictTransport, "X-Content-Type-Options": noSniff,
		"X-Frame-Options": noFrame, "Referrer-Policy": noReferrer, "Cross-Origin-Opener-Policy": sameOrigin, "Vary": varyHeader,
		"Cross-Origin-Resource-Policy": sameOrigin, "Cache-Control": noStore, "Content-Type": jsonType, ageHeader: noAge, "X-Request-Id": {"0011223344556677"},
	}, status: http.StatusOK}
	b.ReportAllocs()
	for b.Loop() {
		w.writeHead(1000)
	}
}
