package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func seeds(f *testing.F) [][]byte {
	paths, err := filepath.Glob(filepath.Join("testdata", "v?", "*.frame"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no vectors: %v", err)
	}
	var out [][]byte
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

func FuzzReadFrame(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Add(append(header(TypeItems, flagZstd, 0), bomb(f, 1<<20)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		const max = 1 << 16
		r := bytes.NewReader(in)
		for {
			typ, body, err := ReadFrame(r, max)
			if err != nil {
				return
			}
			if len(body) > max {
				t.Fatalf("a body of %d bytes came through the bound of %d", len(body), max)
			}
			if typ.String() == "" || typ == 0 {
				t.Fatalf("type %d came through", typ)
			}
		}
	})
}

func FuzzBodies(f *testing.F) {
	for _, b := range seeds(f) {
		typ, body, err := ReadFrame(bytes.NewReader(b), MaxFrame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(typ), body)
	}
	f.Fuzz(func(t *testing.T, typ uint8, in []byte) {
		decode := map[Type]func([]byte) (any, error){
			TypeHello: as[Hello], TypeWelcome: as[Welcome], TypeItems: as[Items], TypeAck: as[Ack],
			TypeAsk: as[Ask], TypeFault: as[Fault], TypeEnroll: as[Enroll], TypeEnrolled: as[Enrolled],
			TypeFetch: as[Fetch], TypeFetched: as[Fetched],
		}[Type(typ)]
		if decode == nil {
			return
		}
		v, err := decode(in)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.TooLarge {
				t.Fatalf("an error of kind %v: %v", k, err)
			}
			return
		}
		if fl, ok := v.(Fault); ok {
			if err := fl.Err(); err == nil || err.Error() == "" {
				t.Fatal("a fault without a text")
			}
		}
		// What was accepted can be sent on, and is accepted again.
		raw, err := model.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(raw); err != nil {
			t.Fatalf("%s was accepted, but not %s: %v", in, raw, err)
		}
	})
}

// Parts that are accepted can be sent on, and never become an item that they were not called.
func FuzzParts(f *testing.F) {
	raw, b, err := Begin(3, model.Item{Seq: 9, Kind: model.ItemPackages, Key: "k", Payload: []byte(`[1,2,3]`)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(Part{Begun: b, Bytes: raw}.encode())
	b.Have = 5
	f.Add(Part{Begun: b, Bytes: raw[5:9]}.encode())
	f.Add(Part{Begun: Begun{Epoch: 1, Seq: 1, Size: MaxFrame}, Bytes: []byte("x")}.encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := DecodePart(in)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.TooLarge {
				t.Fatalf("an error of kind %v: %v", k, err)
			}
			return
		}
		if !bytes.Equal(p.encode(), in) || len(p.Bytes) > MaxPart || p.Have+len(p.Bytes) > p.Size {
			t.Fatalf("%x was accepted as %+v", in, p)
		}
		r, err := p.Whole(p.Bytes)
		if err == nil && (p.Have > 0 && len(p.Bytes) != p.Size || len(r.Items) != 1 || r.Items[0].Seq != p.Seq) {
			t.Fatalf("%x became %+v", in, r)
		}
	})
}
