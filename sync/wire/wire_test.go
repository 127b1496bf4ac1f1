package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write the vectors of the present version anew")

var (
	nodeA = model.NodeID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	nodeB = model.NodeID{16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}
)

// vector is a frame of protocol version 1 that every later version must read.
type vector struct {
	name string
	t    Type
	body any
	// decode gives back what body was.
	decode func([]byte) (any, error)
}

func as[T any, P interface {
	*T
	Body
}](b []byte) (any, error) {
	return Decode[T, P](b)
}

func vectors() []vector {
	hello := Hello{
		MinVersion: 1, MaxVersion: 1, Node: nodeA, Name: "harbour", Software: "skerry 0.1.0", Epoch: 1,
		Held: model.Position{Epoch: 2, Seq: 77}, Now: 1_700_000_000_123,
	}
	item := model.Item{Seq: 5, Kind: model.ItemFacts, Key: nodeB.String(), AsOf: 1_700_000_000_000, Payload: []byte(`{"hostname":"h1"}`)}
	many := Items{Epoch: 1, Through: 300}
	for i := range model.Seq(200) {
		many.Items = append(many.Items, model.Item{Seq: i + 1, Kind: model.ItemMove, Key: "k", Payload: []byte(`{"state":"running"}`)})
	}
	return []vector{
		{"hello", TypeHello, hello, as[Hello]},
		{"welcome", TypeWelcome, Welcome(hello), as[Welcome]},
		{"items", TypeItems, Items{Epoch: 1, Through: 9, Items: []model.Item{item}}, as[Items]},
		{"items_gap", TypeItems, Items{Epoch: 1, Through: 9}, as[Items]},
		{"items_zstd", TypeItems, many, as[Items]},
		{"ack", TypeAck, Ack{Held: model.Position{Epoch: 1, Seq: 9}}, as[Ack]},
		{"ask", TypeAsk, Ask{Route: "host.detail", Params: map[string]string{"host": nodeB.String()}}, as[Ask]},
		{"answer", TypeAnswer, Chunk(`{"packages":[`), func(b []byte) (any, error) { return Chunk(b), nil }},
		{"end", TypeEnd, nil, nil},
		{"fault", TypeFault, Fault{Kind: "denied", Text: "site \"x\" is suspended"}, as[Fault]},
		{"ping", TypePing, nil, nil},
		{"pong", TypePong, nil, nil},
		{"enroll", TypeEnroll, Enroll{Member: nodeA, Secret: strings.Repeat("ab", 32), Name: "h1", Software: "skerry-agent 0.1.0"}, as[Enroll]},
		{"enrolled", TypeEnrolled, Enrolled{Member: nodeA, Kind: model.MemberHost, Name: "h1", Epoch: 1, UpperID: nodeB, UpperName: "oslo", CACert: "PEM1", Cert: "PEM2"}, as[Enrolled]},
		{"enroll_controller", TypeEnroll, Enroll{Member: nodeA, Secret: strings.Repeat("ab", 32), Name: "c2", Software: "skerry 0.2.0", Address: "hq-2.example:8443"}, as[Enroll]},
		{"enrolled_controller", TypeEnrolled, Enrolled{Member: nodeA, Kind: model.MemberController, Name: "c2", Epoch: 1, UpperID: nodeB, UpperName: "hq", CACert: "PEM1", Cert: "PEM2", Secrets: []byte(`{"version":1}`)}, as[Enrolled]},
	}
}

// vectors2 is what version 2 brought.
func vectors2() []vector {
	begun := Begun{Epoch: 1, Seq: 78, Size: 300_000, Digest: Digest{1, 2, 3, 31: 9}, Have: 65_536}
	return []vector{
		{"hello", TypeHello, Hello{
			MinVersion: 1, MaxVersion: 2, Node: nodeA, Name: "harbour", Software: "skerry 0.3.0", Epoch: 1,
			Held: model.Position{Epoch: 2, Seq: 77}, Now: 1_700_000_000_123, Begun: &begun,
		}, as[Hello]},
		{"hello_agent", TypeHello, Hello{
			MinVersion: 1, MaxVersion: 2, Node: nodeA, Name: "web1", Software: "skerry-agent 0.4.0", Epoch: 2, Run: "R3ND0M", Machine: "9f86d081884c7d65",
			Can: &model.Abilities{Commands: []string{"inventory.refresh", "ping"}, Items: []string{"facts"}},
		}, as[Hello]},
		{"welcome_agent", TypeWelcome, Welcome{
			MinVersion: 2, MaxVersion: 2, Node: nodeB, Name: "oslo", Software: "skerry 0.4.0", Epoch: 1, Heard: 60, Report: 900,
		}, as[Welcome]},
		{"fault", TypeFault, Fault{Kind: "busy", Text: "this server is stopping", RetryAfter: 30}, as[Fault]},
		{"part", TypePart, Part{Begun: begun, Bytes: []byte(`{"seq":78,`)}, func(b []byte) (any, error) { return DecodePart(b) }},
	}
}

// vectors3 is what version 3 brought.
func vectors3() []vector {
	from, to := model.Cursor{At: 1_700_000_000_123, Seq: 41}, model.Cursor{At: 1_700_000_900_000, Seq: 4711}
	part := Fetched{From: from, To: to, Size: 300_000, Digest: Digest{1, 2, 3, 31: 9}, Offset: 65_536}
	return []vector{
		{"fetch", TypeFetch, Fetch{}, as[Fetch]},
		{"fetch_on", TypeFetch, Fetch{From: from, Part: &part}, as[Fetch]},
		{"fetched", TypeFetched, part, as[Fetched]},
	}
}

func TestVectors(t *testing.T) {
	for _, v := range vectors() {
		testVector(t, "v1", v)
	}
	for _, v := range vectors2() {
		testVector(t, "v2", v)
	}
	for _, v := range vectors3() {
		testVector(t, "v3", v)
	}
}

func testVector(t *testing.T, version string, v vector) {
	t.Run(version+"/"+v.name, func(t *testing.T) {
		frame, err := AppendFrame(nil, v.t, v.body)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", version, v.name+".frame")
		if *rewrite && version == "v3" { // those of earlier versions stay as they are
			if err := os.WriteFile(path, frame, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		stored, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// A newer zstd may pack differently; all else is to the byte.
		if stored[1]&flagZstd == 0 && !bytes.Equal(frame, stored) {
			t.Errorf("writes\n%q, the vector is\n%q", frame, stored)
		}
		if version == "v1" && (v.name == "items_zstd") != (stored[1]&flagZstd != 0) {
			t.Errorf("flags are %#x", stored[1])
		}
		r := bytes.NewReader(append(stored, 0xff))
		typ, body, err := ReadFrame(iotest.OneByteReader(r), MaxFrame)
		if err != nil || typ != v.t || r.Len() != 1 {
			t.Fatalf("read %v, %v, %d bytes left", typ, err, r.Len())
		}
		if v.decode == nil {
			if len(body) != 0 {
				t.Errorf("body %q", body)
			}
			return
		}
		got, err := v.decode(body)
		if err != nil || !reflect.DeepEqual(got, v.body) {
			t.Errorf("got %+v, %v; want %+v", got, err, v.body)
		}
	})
}

func header(t Type, flags byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(t), flags, 0, 0}, n)
}

// bomb expands to n zero bytes, in several zstd frames.
func bomb(t testing.TB, n int) []byte {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	piece := enc.EncodeAll(make([]byte, n/4), nil)
	return bytes.Repeat(piece, 4)
}

func TestReadFrameRefuses(t *testing.T) {
	big := bomb(t, 64<<20)
	short := bomb(t, 4096)
	cases := []struct {
		name string
		in   []byte
		max  int
		want fault.Kind
	}{
		{"type zero", header(0, 0, 0), 100, fault.Corrupt},
		{"unknown type", header(200, 0, 0), 100, fault.Corrupt},
		{"http", []byte("GET / HTTP/1.1\r\n\r\n"), 100, fault.Corrupt},
		{"unknown flag", header(TypePing, 2, 0), 100, fault.Version},
		{"reserved bytes", []byte{byte(TypePing), 0, 1, 0, 0, 0, 0, 0}, 100, fault.Corrupt},
		{"claimed length", header(TypeItems, 0, 1<<31), MaxFrame, fault.TooLarge},
		{"above the bound", append(header(TypeItems, 0, 101), make([]byte, 101)...), 100, fault.TooLarge},
		{"cut in the header", header(TypePing, 0, 0)[:5], 100, fault.Unreachable},
		{"cut in the body", append(header(TypeItems, 0, 10), 1, 2, 3), 100, fault.Unreachable},
		{"cut in a long body", append(header(TypeItems, 0, 1<<20), 1, 2, 3), MaxFrame, fault.Unreachable},
		{"not zstd", append(header(TypeItems, flagZstd, 4), 1, 2, 3, 4), 100, fault.Corrupt},
		{"zstd cut", append(header(TypeItems, flagZstd, uint32(len(short)-3)), short[:len(short)-3]...), 1 << 20, fault.Corrupt},
		{"bomb", append(header(TypeItems, flagZstd, uint32(len(big))), big...), MaxFrame, fault.TooLarge},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, body, err := ReadFrame(bytes.NewReader(c.in), c.max)
			if !fault.Is(err, c.want) {
				t.Errorf("got %v (kind %v), %d bytes; want kind %v", err, fault.KindOf(err), len(body), c.want)
			}
		})
	}
	if _, _, err := ReadFrame(strings.NewReader(""), 100); err != io.EOF {
		t.Errorf("at the end of the stream: %v, want io.EOF", err)
	}
	if typ, body, err := ReadFrame(bytes.NewReader(append(header(TypeItems, flagZstd, uint32(len(short))), short...)), 4096); err != nil || len(body) != 4096 || typ != TypeItems {
		t.Errorf("just within the bound: %v, %d bytes, %v", typ, len(body), err)
	}
}

func TestWriteFrameBounds(t *testing.T) {
	if _, err := AppendFrame(nil, TypeAnswer, Chunk(make([]byte, MaxFrame+1))); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a frame above the bound: %v", err)
	}
	if _, err := AppendFrame(nil, TypeAsk, Ask{Route: "\xff"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a body that is no JSON: %v", err)
	}
	// The largest item must fit with its envelope.
	payload := append(append([]byte{'"'}, bytes.Repeat([]byte("x"), model.MaxPayload-2)...), '"')
	frame, err := AppendFrame(nil, TypeItems, Items{Epoch: 1, Through: 1, Items: []model.Item{{Seq: 1, Kind: model.ItemPackages, Key: strings.Repeat("k", model.MaxItemKey), Payload: payload}}})
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := ReadFrame(bytes.NewReader(frame), MaxFrame)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode[Items](body); err != nil {
		t.Error(err)
	}
}

func TestBodiesRefuse(t *testing.T) {
	long := strings.Repeat("x", 5000)
	manyItems := `{"epoch":1,"through":9000,"items":[{"seq":1,"kind":"a","key":""}` + strings.Repeat(`,{"seq":2,"kind":"a","key":""}`, model.MaxItemsRun) + `]}`
	item := func(s string) string { return `{"epoch":1,"through":5,"items":[` + s + `]}` }
	id := nodeA.String()
	cases := []struct {
		name   string
		decode func([]byte) (any, error)
		in     string
		want   fault.Kind
	}{
		{"no JSON", as[Hello], `{`, fault.Corrupt},
		{"trailing", as[Ack], `{"held":{"epoch":1,"seq":1}} 1`, fault.Corrupt},
		{"duplicate member", as[Ack], `{"held":{"epoch":1,"seq":1},"held":{"epoch":1,"seq":2}}`, fault.Corrupt},
		{"hello without versions", as[Hello], `{"node":"` + id + `","epoch":1}`, fault.Corrupt},
		{"hello without node", as[Hello], `{"min_version":1,"max_version":1,"epoch":1}`, fault.Corrupt},
		{"hello without epoch", as[Welcome], `{"min_version":1,"max_version":1,"node":"` + id + `"}`, fault.Corrupt},
		{"hello name", as[Hello], `{"min_version":1,"max_version":1,"epoch":1,"node":"` + id + `","name":"` + long + `"}`, fault.TooLarge},
		{"items without epoch", as[Items], `{"through":1}`, fault.Corrupt},
		{"items without through", as[Items], `{"epoch":1}`, fault.Corrupt},
		{"items beyond through", as[Items], item(`{"seq":6,"kind":"a","key":""}`), fault.Corrupt},
		{"seq zero", as[Items], item(`{"seq":0,"kind":"a","key":""}`), fault.Corrupt},
		{"seq falls", as[Items], item(`{"seq":3,"kind":"a","key":""},{"seq":2,"kind":"a","key":""}`), fault.Corrupt},
		{"seq twice", as[Items], item(`{"seq":3,"kind":"a","key":""},{"seq":3,"kind":"a","key":""}`), fault.Corrupt},
		{"no kind", as[Items], item(`{"seq":3,"kind":"","key":""}`), fault.Corrupt},
		{"long kind", as[Items], item(`{"seq":3,"kind":"` + long + `","key":""}`), fault.TooLarge},
		{"long key", as[Items], item(`{"seq":3,"kind":"a","key":"` + long + `"}`), fault.TooLarge},
		{"too many items", as[Items], manyItems, fault.TooLarge},
		{"ack of nothing", as[Ack], `{"held":{"epoch":0,"seq":4}}`, fault.Corrupt},
		{"ask without route", as[Ask], `{}`, fault.Corrupt},
		{"ask parameter", as[Ask], `{"route":"r","params":{"a":"` + long + `"}}`, fault.TooLarge},
		{"enroll without member", as[Enroll], `{"secret":"00"}`, fault.Corrupt},
		{"enroll secret", as[Enroll], `{"member":"` + id + `","secret":"` + long + `"}`, fault.TooLarge},
		{"enroll address", as[Enroll], `{"member":"` + id + `","address":"` + strings.Repeat("a", 261) + `"}`, fault.TooLarge},
		{"enrolled secrets", as[Enrolled], `{"member":"` + id + `","upper_id":"` + id + `","epoch":1,"secrets":"` + strings.Repeat("AAAA", (32<<10)/3+1) + `"}`, fault.TooLarge},
		{"enrolled secrets that are no base64", as[Enrolled], `{"member":"` + id + `","upper_id":"` + id + `","epoch":1,"secrets":"?"}`, fault.Corrupt},
		{"enrolled without upper", as[Enrolled], `{"member":"` + id + `","epoch":1}`, fault.Corrupt},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, err := c.decode([]byte(c.in)); !fault.Is(err, c.want) {
				t.Errorf("got %+v, %v; want kind %v", got, err, c.want)
			}
		})
	}
	// What a newer version adds is skipped.
	if a, err := Decode[Ack]([]byte(`{"held":{"epoch":1,"seq":4},"new":[1]}`)); err != nil || a.Held.Seq != 4 {
		t.Errorf("an unknown member: %+v, %v", a, err)
	}
}

func TestFaultKeepsKindAndText(t *testing.T) {
	var buf bytes.Buffer
	sent := fault.Wrap("enroll", fault.New(fault.Expired, "", "the token ran out; ask for a new one"))
	if err := WriteFault(&buf, sent); err != nil {
		t.Fatal(err)
	}
	_, err := Expect(&buf, TypeEnrolled, MaxControl)
	if !fault.Is(err, fault.Expired) || err.Error() != sent.Error() {
		t.Errorf("got %v of kind %v", err, fault.KindOf(err))
	}
	if err := (Fault{Kind: "of the future", Text: "a\x1b[31m\nb" + strings.Repeat("é", 5000)}).Err(); fault.KindOf(err) != fault.Other ||
		len(err.Error()) > maxText || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("a foreign text came through: %q", err.Error()[:20])
	}
	if f := FaultOf(errors.New(strings.Repeat("é", 5000) + "\xff")); len(f.Text) > maxText+2 {
		t.Errorf("a text of %d bytes", len(f.Text))
	} else if _, err := AppendFrame(nil, TypeFault, f); err != nil {
		t.Error(err)
	}
}

func TestExpect(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want fault.Kind
	}{
		{nil, fault.Unreachable},
		{header(TypePing, 0, 0), fault.Corrupt},
		{header(TypeFault, 0, 0), fault.Corrupt},
	} {
		if _, err := Expect(bytes.NewReader(c.in), TypeHello, MaxControl); !fault.Is(err, c.want) {
			t.Errorf("%x: got %v, want kind %v", c.in, err, c.want)
		}
	}
}

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		min, max, want int
		text           string
	}{
		{1, 1, 1, ""},
		{1, 2, 2, ""},
		{1, MaxVersion + 5, MaxVersion, ""},
		{MaxVersion + 1, MaxVersion + 2, 0, "upgrade this side"},
		{0, MinVersion - 1, 0, "upgrade the other side"},
	} {
		v, err := Negotiate(c.min, c.max, "skerry 9")
		if v != c.want || (err == nil) != (c.text == "") || err != nil && (!fault.Is(err, fault.Version) || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%d to %d: got %d, %v", c.min, c.max, v, err)
		}
	}
}
