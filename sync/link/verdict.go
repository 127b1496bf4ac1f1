package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
)

// The accepting side's first bytes on a skerry-link connection, before the streams:
//
//	 0         1         2         3         5            5+n
//	+---------+---------+---------+---------+------------+
//	| version | verdict | kind    | n       | text       |
//	+---------+---------+---------+---------+------------+
//
//	version  1
//	verdict  0 welcome (kind and n are 0), 1 refused
//	kind     the number of the fault.Kind
//	n        big-endian, at most 1,024
//	text     UTF-8, for the operator at the dialling end
//
// Behind a refusal there may be four more bytes, big-endian: in how many seconds another attempt makes
// sense. A dialler that does not know them stops reading before them.
//
// Without it a dialler could not tell a refusal from a broken network: in TLS 1.3 the client's
// handshake ends before the server has looked at the client's certificate.
const (
	verdictVersion = 1
	verdictWelcome = 0
	verdictRefused = 1
	verdictHead    = 5
	maxVerdict     = 1024
	maxRetry       = 24 * time.Hour
)

// writeVerdict welcomes the peer where err is nil and else refuses it with the kind and text of err.
func writeVerdict(w io.Writer, err error) error {
	b := make([]byte, verdictHead, verdictHead+maxVerdict)
	b[0] = verdictVersion
	if err != nil {
		text := strings.ToValidUTF8(err.Error(), "?")
		for len(text) > maxVerdict {
			_, n := utf8.DecodeLastRuneInString(text)
			text = text[:len(text)-n]
		}
		b[1], b[2] = verdictRefused, byte(fault.KindOf(err))
		binary.BigEndian.PutUint16(b[3:], uint16(len(text)))
		b = append(b, text...)
		if d, ok := fault.RetryAfter(err); ok {
			b = binary.BigEndian.AppendUint32(b, uint32(min(max(d.Round(time.Second), time.Second), maxRetry)/time.Second))
		}
	}
	_, werr := w.Write(b)
	return werr
}

// readVerdict returns nil for a welcome, a *fault.Error for a refusal, and any other error where the
// verdict did not arrive whole or is not one.
func readVerdict(r io.Reader) error {
	var head [verdictHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the connection was closed")
		}
		return err
	}
	n := int(binary.BigEndian.Uint16(head[3:]))
	switch {
	case head[0] != verdictVersion:
		return fmt.Errorf("its first byte is %d, want %d", head[0], verdictVersion)
	case head[1] == verdictWelcome && head[2] == 0 && n == 0:
		return nil
	case head[1] != verdictRefused || n > maxVerdict:
		return fmt.Errorf("its verdict %d with %d bytes of text is unknown", head[1], n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return fmt.Errorf("its refusal was cut off: %w", err)
	}
	// The text ends up on a terminal: let no control sequence through.
	clean := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, strings.ToValidUTF8(string(text), "?"))
	refusal := &fault.Error{Kind: fault.Kind(head[2]), Err: errors.New(clean)}
	var after [4]byte
	if _, err := io.ReadFull(r, after[:]); err != nil {
		return refusal // an older server, or one that advises nothing
	}
	return fault.Later(refusal, min(time.Duration(binary.BigEndian.Uint32(after[:]))*time.Second, maxRetry))
}
