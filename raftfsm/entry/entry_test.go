package entry

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/s2"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

var rewrite = flag.Bool("rewrite", false, "write the vectors that are missing; existing ones are never changed")

// samples has one change of each type, by tag; the test below proves that it is complete.
var samples = []model.Change{
	&model.Found{}, &model.Invite{}, &model.Enroll{}, &model.Received{}, &model.Advisories{}, &model.Generation{},
	&model.Matched{}, &model.Rollup{}, &model.Dispatch{}, &model.Moves{}, &model.PutAccount{}, &model.PutSession{},
	&model.EndSession{}, &model.TrustSigner{}, &model.Note{}, &model.HostStatuses{}, &model.Resync{},
	&model.PutSearch{}, &model.DropSearch{}, &model.PutSite{}, &model.RemoveMember{}, &model.PutController{}, &model.PutSecret{}, &model.Overtaken{},
	&model.PutRule{}, &model.DropRule{}, &model.JudgeAlerts{}, &model.AckAlert{}, &model.PutPolicy{}, &model.DropPolicy{}, &model.Evaluated{}, &model.Repair{},
	&model.Quarantine{}, &model.Rekey{}, &model.RetireHosts{}, &model.SetMemberStatus{}, &model.Introduced{}, &model.AskAlert{}, &model.ClearSite{},
	&model.Stage{}, &model.Commit{}, &model.Abandon{}, &model.PutPartner{}, &model.DropPartner{}, &model.PutAcceptance{}, &model.DropAcceptance{}, &model.PutAuthority{}, &model.DropAccount{},
}

func init() {
	for _, c := range samples {
		n := 0
		fill(reflect.ValueOf(c).Elem(), &n)
	}
}

// fill sets every field below v to a value that is not its zero, so that a vector covers all of them.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case jsontext.Value:
		v.Set(reflect.ValueOf(jsontext.Value(fmt.Sprintf(`{"payload":%d}`, *n))))
		return
	case *model.Host, *model.HostBeat:
		return // a payload as a value: see run_test.go
	case model.Time:
		v.SetInt(1_700_000_000_000 + int64(*n))
		return
	case model.Severity:
		v.SetUint(uint64(model.SeverityHigh))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(*n+i) & 0xff)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, n)
			fill(val, n)
			v.SetMapIndex(key, val)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("s%d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		panic(fmt.Sprintf("the test cannot fill a %s", v.Type()))
	}
}

func text(t testing.TB, changes []model.Change) string {
	t.Helper()
	var b strings.Builder
	for _, c := range changes {
		j, err := model.Encode(spelled(t, c))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%d %s\n", c.Tag(), j)
	}
	return b.String()
}

// spelled is a change whose payloads are JSON again.
func spelled(t testing.TB, c model.Change) model.Change {
	t.Helper()
	run, ok := c.(model.Received)
	if !ok {
		return c
	}
	run.Items = slices.Clone(run.Items)
	for i := range run.Items {
		item := &run.Items[i]
		var err error
		switch {
		case item.Host != nil:
			item.Payload, err = model.Encode(item.Host)
		case item.Beat != nil:
			item.Payload, err = model.Encode(item.Beat)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return run
}

// Every Tag constant that engine/model declares has a decoder, one sample and one change type.
func TestEveryTagHasADecoder(t *testing.T) {
	declared := map[string]bool{}
	files, err := filepath.Glob("../../engine/model/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("the source of engine/model: %d files, %v", len(files), err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.ValueSpec); ok {
				if typ, ok := s.Type.(*ast.Ident); ok && typ.Name == "Tag" {
					for _, id := range s.Names {
						declared[strings.TrimPrefix(id.Name, "Tag")] = true
					}
				}
			}
			return true
		})
	}
	if len(declared) < 20 {
		t.Fatalf("only %d tags were found in the source", len(declared))
	}
	known := map[string]bool{}
	tags := map[model.Tag]string{}
	for _, c := range samples {
		name := reflect.TypeOf(c).Elem().Name()
		known[name] = true
		if other := tags[c.Tag()]; other != "" {
			t.Errorf("%s and %s have the same tag %d", name, other, c.Tag())
		}
		tags[c.Tag()] = name
		decode := decoders[c.Tag()]
		if decode == nil {
			t.Errorf("%s (tag %d) has no decoder", name, c.Tag())
			continue
		}
		if got, err := decode([]byte("{}")); err != nil || reflect.TypeOf(got).Name() != name {
			t.Errorf("tag %d decodes to %T, %v; want %s", c.Tag(), got, err, name)
		}
	}
	for name := range declared {
		if !known[name] {
			t.Errorf("engine/model declares Tag%s: give it a decoder, a sample and a vector (go test ./raftfsm/entry -rewrite)", name)
		}
	}
	for tag := range decoders {
		if decoders[tag] != nil && tags[model.Tag(tag)] == "" {
			t.Errorf("tag %d has a decoder and no sample", tag)
		}
	}
}

// request is the one of the vectors.
var request = Request{ID: model.RequestID{0: 1, 7: 0x80, 15: 0xff}, Base: 70_000}

// What earlier versions wrote is read for ever. A vector is written once and never changed: when this test
// fails, the program must be mended, not the vector.
func TestVectors(t *testing.T) {
	vectors := map[string][]byte{}
	add := func(name string, c model.Change, named bool) {
		b, err := Encode([]model.Change{c})
		if err != nil {
			t.Fatal(err)
		}
		if named {
			b = WithRequest(b, request)
		}
		vectors[name] = b
	}
	add("v2-004-received", sampleRun(t), false)
	for _, c := range samples {
		name := strings.ToLower(reflect.TypeOf(c).Elem().Name())
		add(fmt.Sprintf("v%d-%03d-%s", needs(c), c.Tag(), name), c, false)
		if c.Tag() == model.TagNote || c.Tag() == model.TagDispatch {
			add(fmt.Sprintf("v3-%03d-%s-request", c.Tag(), name), c, true)
		}
	}
	for name, b := range vectors {
		name = filepath.Join("testdata", "vectors", name)
		if _, err := os.Stat(name + ".hex"); !os.IsNotExist(err) {
			continue
		}
		if !*rewrite {
			t.Errorf("%s is missing: run go test ./raftfsm/entry -rewrite", name)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+".hex", []byte(hex.EncodeToString(b)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		said, err := Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+".json", []byte(head(said)+text(t, said.Changes)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names, err := filepath.Glob("testdata/vectors/*.hex")
	if err != nil || len(names) < 24 {
		t.Fatalf("%d vectors, %v", len(names), err)
	}
	versions := map[uint32]bool{}
	for _, name := range names {
		in, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, ".hex") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.TrimSpace(string(in)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		versions[got.Version] = true
		if said := head(got) + text(t, got.Changes); said != string(want) {
			t.Errorf("%s decodes to\n%s, want\n%s", name, said, want)
		}
	}
	if !versions[1] || !versions[2] || !versions[3] || !versions[4] {
		t.Errorf("there are vectors of the versions %v, want 1 to 4", versions)
	}
}

// head is what an entry of version 3 says before its changes.
func head(e Entry) string {
	if e.Request.ID.IsZero() {
		return ""
	}
	return fmt.Sprintf("request %x base %d\n", e.Request.ID, e.Request.Base)
}

func TestRoundTrip(t *testing.T) {
	all, err := Encode(samples)
	if err != nil {
		t.Fatal(err)
	}
	if all[0] != Version || all[1] != flagS2 {
		t.Errorf("a large entry with a run has version %d and flags %#x: it was not compressed", all[0], all[1])
	}
	rest, err := Encode(slices.Concat(samples[:2], samples[4:20]))
	if err != nil {
		t.Fatal(err)
	}
	if rest[0] != 1 || rest[1] != flagZstd {
		t.Errorf("a large entry without a run has version %d and flags %#x", rest[0], rest[1])
	}
	got, err := Decode(all)
	if err != nil {
		t.Fatal(err)
	}
	if text(t, got) != text(t, samples) {
		t.Errorf("got\n%s, want\n%s", text(t, got), text(t, samples))
	}
	for i, c := range got {
		if want := reflect.ValueOf(samples[i]).Elem().Interface(); !reflect.DeepEqual(c, want) {
			t.Errorf("change %d is\n%+v, want\n%+v", i, c, want)
		}
	}
	// What does not shrink is stored as it is.
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rand.IntN(64)]
	}
	small, err := Encode([]model.Change{model.EndSession{Stamp: model.Stamp{Actor: "a"}}})
	if err != nil || small[1] != 0 {
		t.Errorf("a small entry has flags %#x, %v", small[1], err)
	}
	b, err := Encode([]model.Change{model.Note{Action: string(noise)}})
	if err != nil || len(b) > 2+2+1+3+len(noise)+200 {
		t.Errorf("noise of %d bytes became %d, %v", len(noise), len(b), err)
	}
	if got, err = Decode(b); err != nil || got[0].(model.Note).Action != string(noise) {
		t.Errorf("noise came back wrong: %v", err)
	}
	// The largest entry that Encode lets through is one that Decode lets through.
	large := model.Note{Action: strings.Repeat("x", MaxBody-100)}
	if b, err = Encode([]model.Change{large}); err != nil {
		t.Fatal(err)
	}
	if got, err = Decode(b); err != nil || got[0].(model.Note).Action != large.Action {
		t.Errorf("the largest entry came back wrong: %v", err)
	}
}

type stranger struct{}

func (stranger) Tag() model.Tag { return 255 }

func TestEncodeRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		changes []model.Change
		kind    fault.Kind
	}{
		"nothing":     {nil, fault.Invalid},
		"nil":         {[]model.Change{nil}, fault.Invalid},
		"unknown tag": {[]model.Change{stranger{}}, fault.Invalid},
		"no UTF-8":    {[]model.Change{model.Note{Action: "\xff"}}, fault.Invalid},
		"too many":    {make([]model.Change, MaxChanges+1), fault.TooLarge},
		"too large":   {[]model.Change{model.Note{Action: strings.Repeat("x", MaxBody)}}, fault.TooLarge},
	} {
		if _, err := Encode(tc.changes); !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v, want kind %s", name, err, tc.kind)
		}
	}
}

// malformed is also the seed of the fuzz test.
func malformed(t testing.TB) map[string]struct {
	b    []byte
	kind fault.Kind
} {
	z, err := encoder()
	if err != nil {
		t.Fatal(err)
	}
	bomb := z.EncodeAll(make([]byte, MaxBody+1), []byte{1, flagZstd})
	return map[string]struct {
		b    []byte
		kind fault.Kind
	}{
		"empty":            {nil, fault.Corrupt},
		"one byte":         {[]byte{1}, fault.Corrupt},
		"version 0":        {[]byte{0, 0, 1, 17, 2, '{', '}'}, fault.Corrupt},
		"version 7":        {[]byte{7, 0, 1, 17, 2, '{', '}'}, fault.Version},
		"flag 4 too early": {[]byte{2, flagRequest, 1, 17, 2, '{', '}'}, fault.Version},
		"flag 8":           {[]byte{3, 8, 1, 17, 2, '{', '}'}, fault.Version},
		"no request":       {[]byte{3, flagRequest, 1, 17, 2, '{', '}'}, fault.Corrupt},
		"zero request":     {append(append([]byte{3, flagRequest}, make([]byte, 17)...), 1, 17, 2, '{', '}'), fault.Corrupt},
		"no base":          {append([]byte{3, flagRequest}, bytes.Repeat([]byte{1}, 16)...), fault.Corrupt},
		"base without end": {append([]byte{3, flagRequest}, bytes.Repeat([]byte{0xff}, 30)...), fault.Corrupt},
		"only a request":   {append([]byte{3, flagRequest}, bytes.Repeat([]byte{1}, 17)...), fault.Corrupt},
		"flag 2 too early": {[]byte{1, 2, 1, 17, 2, '{', '}'}, fault.Version},
		"both, version 3":  {[]byte{3, 3, 1, 17, 2, '{', '}'}, fault.Version},
		"flag 16":          {[]byte{2, 16, 1, 17, 2, '{', '}'}, fault.Version},
		"both flags":       {[]byte{2, 3, 1, 17, 2, '{', '}'}, fault.Version},
		"no S2":            {[]byte{2, flagS2, 1, 17, 2, '{', '}'}, fault.Corrupt},
		"S2 bomb":          {append([]byte{2, flagS2}, s2.Encode(nil, make([]byte, MaxBody+1))...), fault.Corrupt},
		"S2 length":        {[]byte{2, flagS2, 0xff, 0xff, 0xff, 0xff, 0x0f}, fault.Corrupt},
		"run in version 1": {[]byte{1, 0, 1, 4, 2, runForm, 0}, fault.Corrupt},
		"tag 0":            {[]byte{1, 0, 1, 0, 2, '{', '}'}, fault.Version},
		"tag 255":          {[]byte{1, 0, 1, 255, 2, '{', '}'}, fault.Version},
		"no change":        {[]byte{1, 0, 0}, fault.Corrupt},
		"count too high":   {[]byte{1, 0, 2, 17, 2, '{', '}'}, fault.Corrupt},
		"count huge":       {[]byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, fault.Corrupt},
		"count overlong":   {bytes.Repeat([]byte{1, 0, 0xff}, 20), fault.Corrupt},
		"length too high":  {[]byte{1, 0, 1, 17, 3, '{', '}'}, fault.Corrupt},
		"length huge":      {[]byte{1, 0, 1, 17, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, fault.Corrupt},
		"bytes behind":     {[]byte{1, 0, 1, 17, 2, '{', '}', 0}, fault.Corrupt},
		"no JSON":          {[]byte{1, 0, 1, 17, 2, '{', '{'}, fault.Corrupt},
		"duplicate member": {append([]byte{1, 0, 1, 17, 19}, `{"at":"", "at":"" }`...), fault.Corrupt},
		"no zstd":          {[]byte{1, flagZstd, 1, 17, 2, '{', '}'}, fault.Corrupt},
		"bomb":             {bomb, fault.Corrupt},
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, tc := range malformed(t) {
		if c, err := Decode(tc.b); !fault.Is(err, tc.kind) {
			t.Errorf("%s: %v, %v; want kind %s", name, c, err, tc.kind)
		}
	}
}

// Every true prefix of an entry is refused.
func TestCut(t *testing.T) {
	whole := []byte{1, 0, 1, 17, 12}
	whole = append(whole, `{"actor":""}`...)
	if _, err := Decode(whole); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if c, err := Decode(whole[:i]); err == nil {
			t.Errorf("the first %d bytes decode to %v", i, c)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, tc := range malformed(f) {
		if len(tc.b) < 1<<16 {
			f.Add(tc.b)
		}
	}
	for _, c := range samples {
		b, err := Encode([]model.Change{c})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	run, err := Encode([]model.Change{sampleRun(f)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(run)
	body, err := appendRun(nil, new(sampleRun(f)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte{2, 0, 1, 4, byte(len(body)) | 0x80, byte(len(body) >> 7)}, body...))
	f.Add(WithRequest(run, request))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Read(b)
		changes := e.Changes
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version {
				t.Fatalf("kind %s: %v", k, err)
			}
			return
		}
		again, err := Encode(changes)
		if err != nil {
			t.Fatalf("what decoded does not encode: %v", err)
		}
		if !e.Request.ID.IsZero() {
			again = WithRequest(again, e.Request)
		}
		back, err := Read(again)
		if err != nil {
			t.Fatalf("what was encoded does not decode: %v", err)
		}
		if back.Request != e.Request || text(t, back.Changes) != text(t, changes) {
			t.Fatalf("got\n%s%s, want\n%s%s", head(back), text(t, back.Changes), head(e), text(t, changes))
		}
	})
}
