package site

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// FuzzDecodeRows reads any bytes as the copy of the hosts' rows: lines as they are, and whole files. Whatever they are, a row
// that is handed out has an id, and an error has a kind that says what to do.
func FuzzDecodeRows(f *testing.F) {
	self := model.NodeID{15: 1}
	host, err := model.Encode(model.Host{ID: model.HostID{15: 2}, Facts: model.Facts{Hostname: "a"}})
	if err != nil {
		f.Fatal(err)
	}
	head, err := model.Encode(rowsHead{rowsVersion, self, 1})
	if err != nil {
		f.Fatal(err)
	}
	whole := append(append(append(head, '\n'), host...), '\n')
	packed := func(lines []byte) []byte {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<16))
		if err != nil {
			f.Fatal(err)
		}
		return w.EncodeAll(lines, nil)
	}
	f.Add(whole, false)
	f.Add(whole[:len(whole)-3], false)
	f.Add(head, false)
	f.Add([]byte("{}\n"), false)
	f.Add([]byte{}, true)
	f.Add(packed(whole), true)
	f.Add(packed(whole)[:20], true)
	f.Add(packed(bytes.Repeat([]byte{'a'}, maxRowLine+1)), true)
	f.Fuzz(func(t *testing.T, b []byte, file bool) {
		if !file {
			b = packed(b)
		}
		err := decodeRows(bytes.NewReader(b), self, func(_ rowsHead, h model.Host) error {
			if h.ID.IsZero() {
				t.Error("a row without an id")
			}
			return nil
		})
		switch fault.KindOf(err) {
		case fault.Corrupt, fault.Version, fault.Conflict, fault.TooLarge:
		default:
			if err != nil {
				t.Errorf("kind %v of %v", fault.KindOf(err), err)
			}
		}
	})
}
