package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// BenchmarkItems writes, reads and decodes runs of directory rows.
func BenchmarkItems(b *testing.B) {
	run := Items{Epoch: 1, Through: 1000}
	for i := range model.Seq(1000) {
		h := model.Host{ID: model.HostID{1, byte(i >> 8), byte(i)}, Facts: model.Facts{Hostname: fmt.Sprintf("host-%d", i), IPv4: []string{"10.0.0.1"}}, PackageN: int(i)}
		raw, err := model.Encode(h)
		if err != nil {
			b.Fatal(err)
		}
		run.Items = append(run.Items, model.Item{Seq: i + 1, Kind: model.ItemHost, Key: h.ID.String(), AsOf: 1_700_000_000_000, Payload: raw})
	}
	b.ReportAllocs()
	for b.Loop() {
		frame, err := AppendFrame(nil, TypeItems, run)
		if err != nil {
			b.Fatal(err)
		}
		_, body, err := ReadFrame(bytes.NewReader(frame), MaxFrame)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Decode[Items](body); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(body)))
	}
}
