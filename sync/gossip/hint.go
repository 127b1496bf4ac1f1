package gossip

import (
	"encoding/binary"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
)

// A hint as it travels, in the 512 bytes that memberlist has room for:
//
//	| version u8 | flags u8 | entry version uvarint | links uvarint | name | address | software | disk | url | …
//
// version is 1. Flag bit 0: ready; the others are zero, and not looked at. A text is its length as a
// uvarint, and UTF-8. What a later version puts behind the url is skipped. The id is the name by which
// memberlist knows the node.
const (
	hintVersion = 1
	flagReady   = 1
	maxHint     = 512
	maxName     = 64
	maxAddress  = 260
	maxSoftware = 48
	maxDisk     = 24
)

// appendHint appends the bytes of h, at most maxHint. It is TooLarge for an address beyond its bound;
// every other text is cut, but a URL that does not fit is left out whole.
func appendHint(b []byte, h Hint) ([]byte, error) {
	if len(h.Address) > maxAddress {
		return nil, fault.New(fault.TooLarge, "", "the address has %d bytes; the limit is %d", len(h.Address), maxAddress)
	}
	start := len(b)
	b = append(b, hintVersion, 0)
	if h.Ready {
		b[start+1] |= flagReady
	}
	b = binary.AppendUvarint(b, uint64(h.EntryVersion))
	b = binary.AppendUvarint(b, uint64(min(max(h.Links, 0), 1<<30)))
	for _, f := range []struct {
		text string
		max  int
	}{{h.Name, maxName}, {h.Address, maxAddress}, {h.Software, maxSoftware}, {h.Disk, maxDisk}} {
		b = appendText(b, clip(f.text, f.max))
	}
	url := strings.ToValidUTF8(h.URL, "?")
	if url == "https://"+h.Address || len(b)-start+2+len(url) > maxHint {
		url = ""
	}
	return appendText(b, url), nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// clip cuts a text to at most n bytes of whole characters.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// readHint reads what appendHint wrote. It is Version for a later form, Corrupt for what is no hint.
func readHint(id string, b []byte) (Hint, error) {
	corrupt := func(what string) (Hint, error) {
		return Hint{}, fault.New(fault.Corrupt, "", "the hint of a controller is damaged: %s", what)
	}
	switch {
	case !goodID(id):
		return corrupt("its id")
	case len(b) < 2 || len(b) > maxHint || b[0] == 0:
		return corrupt("its length")
	case b[0] > hintVersion:
		return Hint{}, fault.New(fault.Version, "", "the hint of controller %s has version %d, and this Skerry reads %d", id, b[0], hintVersion)
	}
	h := Hint{ID: id, Ready: b[1]&flagReady != 0}
	b = b[2:]
	number := func(max uint64) (uint64, bool) {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > max {
			return 0, false
		}
		b = b[n:]
		return v, true
	}
	v, ok := number(1<<32 - 1)
	if !ok {
		return corrupt("its entry version")
	}
	h.EntryVersion = uint32(v)
	if v, ok = number(1 << 30); !ok {
		return corrupt("its links")
	}
	h.Links = int(v)
	for _, f := range []struct {
		to  *string
		max uint64
	}{{&h.Name, maxName}, {&h.Address, maxAddress}, {&h.Software, maxSoftware}, {&h.Disk, maxDisk}, {&h.URL, maxHint}} {
		n, ok := number(f.max)
		if !ok || n > uint64(len(b)) || !utf8.Valid(b[:n]) {
			return corrupt("a text")
		}
		*f.to, b = fault.Printable(string(b[:n])), b[n:]
	}
	if _, _, err := net.SplitHostPort(h.Address); err != nil {
		return corrupt("its address")
	}
	if h.URL == "" {
		h.URL = "https://" + h.Address
	}
	return h, nil
}
