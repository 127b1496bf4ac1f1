// Package entry is the form of a change in the Raft log.
//
// It owns the bytes: a version, flags, and tagged changes. It reads what this and every earlier
// version wrote, and refuses the rest with a clear kind: fault.Version for what a newer program
// wrote, fault.Corrupt for what nobody wrote. It never panics, whatever the bytes, and never applies
// anything.
//
// An entry:
//
//	0         1       2
//	| version | flags | body …
//
// version is the lowest that can say it, or a higher one that every node reads: what a version changed of how changes are
// applied holds for entries from that version on. Flag bit 0 says that the body is one zstd frame, bit 1 that it is one S2 block, bit 2 that the name of
// a request stands before the body; all other bits are zero. With bit 2:
//
//	0         1       2               18
//	| version | flags | request id:16 | base uvarint | body …
//
// base is the highest log index that the proposer knew of when it made the id. The body:
//
//	| count uvarint | count times: | tag u8 | length uvarint | change … |
//
// A change is the JSON of model.Encode, which begins with "{", or, for a run of items, the form of run.go, which
// begins with 01. There is at least one change and nothing behind the last.
//
// Version history: 1, the first, JSON alone, and zstd alone; 2, runs, and S2; 3, requests, and the changes
// that needs names; 4, the changes from the tag of PutRule on, and runs with the kinds of items that came with them; 5, what is asked of
// the alerts of a site, what clears a site that was removed, and why the group took out a node, and a ration for what refused items leave in the audit
// record; 6, runs of advisory changes that are taken in at once, and what is said of partners, accepted risks and sources: from it on
// records have canonicals with times and events, and do not go down one by one.
package entry

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const (
	// Version is the newest that this program reads and writes.
	Version = 6
	// Lowest is what every node of a group reads, whoever says nothing of itself included.
	Lowest = 2

	flagZstd    = 1
	flagS2      = 2 // since version 2
	flagRequest = 4 // since version 3

	// MaxBody bounds the body of one entry, in bytes before compression.
	MaxBody = 16 << 20
	// MaxChanges bounds the changes of one entry.
	MaxChanges = 4096

	packFrom = 512 // bytes of body from which compressing is tried
	smallest = 4   // bytes of the smallest change: tag, length, "{}"
)

// Both are stateless in EncodeAll and DecodeAll, and safe for concurrent use.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBody), zstd.WithDecoderMaxWindow(8<<20))
	})
)

// Request names a proposal, so that the state machine applies it once.
type Request struct {
	ID model.RequestID // zero: the entry has none
	// Base is the highest log index that the proposer knew of when it made the id. An entry far behind its
	// base cannot be told from a repeat any more.
	Base uint64
}

// Entry is an entry as it was read.
type Entry struct {
	Version uint32 // what a program must read to read this
	Request Request
	Changes []model.Change
}

// needs returns the version that brought a change, or a field of it that means something else where it is
// set. A program that reads only lower ones would apply it otherwise, or not at all.
func needs(c model.Change) byte {
	switch c := c.(type) {
	case model.RemoveMember:
		if c.Reason != "" {
			return 5
		}
		return 3
	case *model.RemoveMember:
		return needs(*c)
	case model.PutController, *model.PutController:
		return 3
	case model.Invite:
		if c.Member.Kind == model.MemberController {
			return 3
		}
	case *model.Invite:
		return needs(*c)
	case model.Enroll:
		if c.Address != "" {
			return 3
		}
	case *model.Enroll:
		return needs(*c)
	case model.Received:
		return needsItems(c.Items)
	case *model.Received:
		return needsItems(c.Items)
	}
	switch tag := c.Tag(); {
	case tag >= model.TagStage, tag == model.TagAskAlert: // of AskAlert 6 is the version from which each is answered by itself
		return 6
	case tag >= model.TagAskAlert:
		return 5
	case tag >= model.TagPutRule:
		return 4
	case tag > model.TagPutSite:
		return 3
	}
	return 1
}

// needsItems returns the version that brought the newest kind of the items. An earlier program refuses items of a
// kind that it does not know, and would come to other rows than one that takes them.
func needsItems(items []model.Item) byte {
	need := byte(1)
	for i := range items {
		switch items[i].Kind {
		case model.ItemAlerts, model.ItemPolicies:
			need = max(need, 4)
		case model.ItemAlertDone:
			return 5
		}
	}
	return need
}

// Needs returns the version that a program must read to read an entry that Encode made.
func Needs(b []byte) uint32 {
	if len(b) == 0 {
		return 0
	}
	return uint32(b[0])
}

// Raised returns an entry that Encode made as one of that version, if it is of a lower one, in memory of its own: it is
// then applied as entries of that version are. The bytes of an entry say the same in each version from 2 on.
func Raised(b []byte, version uint32) []byte {
	if len(b) == 0 || version > Version || uint32(b[0]) >= version {
		return b
	}
	b = slices.Clone(b)
	b[0] = byte(version)
	return b
}

// WithRequest returns an entry that Encode made, with the name of its request, in memory of its own.
func WithRequest(b []byte, r Request) []byte {
	named := make([]byte, 0, len(b)+len(r.ID)+binary.MaxVarintLen64)
	named = append(named, max(b[0], 3), b[1]|flagRequest)
	named = append(named, r.ID[:]...)
	named = binary.AppendUvarint(named, r.Base)
	return append(named, b[2:]...)
}

// Encode returns the entry of changes, which are applied together or not at all. It fails with
// fault.Invalid for no change, or one that is no JSON or not in the closed set, and with
// fault.TooLarge beyond MaxBody or MaxChanges.
func Encode(changes []model.Change) ([]byte, error) {
	const op = "encode log entry"
	if len(changes) == 0 {
		return nil, fault.New(fault.Invalid, op, "there is no change in it")
	}
	if len(changes) > MaxChanges {
		return nil, fault.New(fault.TooLarge, op, "it has %d changes, the limit is %d; propose fewer at once", len(changes), MaxChanges)
	}
	scratch := buffers.Get().(*[]byte)
	defer func() { buffers.Put(scratch) }()
	b, runs, err := appendBody((*scratch)[:0], changes)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if cap(b) <= keepBuffer {
		*scratch = b
	}
	version := byte(1)
	for _, c := range changes {
		version = max(version, needs(c))
	}
	if runs {
		return packRuns(max(version, 2), b), nil
	}
	if len(b) < packFrom {
		return append([]byte{version, 0}, b...), nil
	}
	z, err := encoder()
	if err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	packed := z.EncodeAll(b, append(make([]byte, 0, len(b)/2), version, flagZstd))
	if len(packed) < 2+len(b) {
		return packed, nil
	}
	return append([]byte{version, 0}, b...), nil
}

// keepBuffer is how large a buffer may be that is kept for later.
const keepBuffer = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// packRuns returns the entry of a body with runs. These come by the hundred a second, and have little in them
// that repeats: what packs fast is the better choice.
func packRuns(version byte, body []byte) []byte {
	if len(body) >= packFrom {
		scratch := buffers.Get().(*[]byte)
		defer buffers.Put(scratch)
		packed := s2.Encode((*scratch)[:cap(*scratch)], body)
		if cap(packed) <= keepBuffer {
			*scratch = packed
		}
		if len(packed) < len(body) {
			return append([]byte{version, flagS2}, packed...)
		}
	}
	return append([]byte{version, 0}, body...)
}

// appendBody appends what stands behind the flags, and reports whether there is a run in it.
func appendBody(b []byte, changes []model.Change) (_ []byte, runs bool, err error) {
	b = binary.AppendUvarint(b, uint64(len(changes)))
	room := buffers.Get().(*[]byte)
	piece := (*room)[:0]
	defer func() {
		if cap(piece) <= keepBuffer {
			*room = piece[:0]
		}
		buffers.Put(room)
	}()
	for _, c := range changes {
		if c == nil || decoders[c.Tag()] == nil {
			return nil, false, fault.New(fault.Invalid, "", "%T is not a change that the log knows", c)
		}
		run, ok := c.(model.Received)
		if p, is := c.(*model.Received); is {
			run, ok = *p, true
		}
		if ok {
			runs = true
			piece, err = appendRun(piece[:0], &run)
		} else {
			piece, err = model.Encode(c)
		}
		if err != nil {
			return nil, false, fault.New(fault.Invalid, "", "%T cannot be written: %w", c, err)
		}
		b = append(b, byte(c.Tag()))
		b = binary.AppendUvarint(b, uint64(len(piece)))
		b = append(b, piece...)
		if len(b) > MaxBody {
			return nil, false, fault.New(fault.TooLarge, "", "it is more than %d MiB; propose it in smaller pieces", MaxBody>>20)
		}
	}
	return b, runs, nil
}

// Decode reads the changes of an entry. They share no memory with b and are values, not pointers.
func Decode(b []byte) ([]model.Change, error) {
	e, err := Read(b)
	return e.Changes, err
}

// Read reads an entry. It shares no memory with b.
func Read(b []byte) (Entry, error) {
	const op = "decode log entry"
	if len(b) < 2 {
		return Entry{}, fault.New(fault.Corrupt, op, "it is %d bytes long", len(b))
	}
	if b[0] == 0 {
		return Entry{}, fault.New(fault.Corrupt, op, "it has version 0")
	}
	flags := byte(flagZstd)
	if b[0] > 1 {
		flags |= flagS2
	}
	if b[0] > 2 {
		flags |= flagRequest
	}
	if b[0] > Version || b[1]&^flags != 0 || b[1]&(flagZstd|flagS2) == flagZstd|flagS2 {
		return Entry{}, fault.New(fault.Version, op, "it has version %d and flags %#x, this program reads version %d; run the version that wrote it, or a newer one", b[0], b[1], Version)
	}
	e := Entry{Version: uint32(b[0])}
	body := b[2:]
	if b[1]&flagRequest != 0 {
		n := 0
		if len(body) > len(e.Request.ID) {
			copy(e.Request.ID[:], body)
			body = body[len(e.Request.ID):]
			e.Request.Base, n = binary.Uvarint(body)
		}
		if n <= 0 || e.Request.ID.IsZero() {
			return Entry{}, fault.New(fault.Corrupt, op, "its request has no name")
		}
		body = body[n:]
	}
	var err error
	e.Changes, err = readBody(body, b[0], b[1])
	if err != nil {
		return Entry{}, fault.Wrap(op, err)
	}
	return e, nil
}

// readBody reads what stands behind the head.
func readBody(body []byte, version, flags byte) ([]model.Change, error) {
	if flags&flagZstd != 0 {
		z, err := decoder()
		if err != nil {
			return nil, fault.New(fault.Other, "", "%w", err)
		}
		if body, err = z.DecodeAll(body, nil); err != nil {
			return nil, fault.New(fault.Corrupt, "", "its body does not unpack: %w", err)
		}
	}
	if flags&flagS2 != 0 {
		n, err := s2.DecodedLen(body)
		if err == nil && n <= MaxBody {
			body, err = s2.Decode(nil, body)
		}
		if err != nil || n > MaxBody {
			return nil, fault.New(fault.Corrupt, "", "its body of %d bytes does not unpack: %v", n, err)
		}
	}
	if len(body) > MaxBody {
		return nil, fault.New(fault.Corrupt, "", "its body is %d bytes, the limit is %d", len(body), MaxBody)
	}
	count, n := binary.Uvarint(body)
	if n <= 0 || count == 0 || count > MaxChanges || count > uint64(len(body)/smallest) {
		return nil, fault.New(fault.Corrupt, "", "it cannot have %d changes in %d bytes", count, len(body))
	}
	body = body[n:]
	changes := make([]model.Change, 0, count)
	for i := range count {
		if len(body) < smallest {
			return nil, fault.New(fault.Corrupt, "", "it ends before change %d of %d", i+1, count)
		}
		tag := model.Tag(body[0])
		size, n := binary.Uvarint(body[1:])
		if n <= 0 || size > uint64(len(body)-1-n) {
			return nil, fault.New(fault.Corrupt, "", "change %d (tag %d) says it is %d bytes, %d are left", i+1, tag, size, len(body)-1)
		}
		j := body[1+n : 1+n+int(size)]
		body = body[1+n+int(size):]
		decode := decoders[tag]
		if decode == nil {
			return nil, fault.New(fault.Version, "", "it holds a change with tag %d, which this program does not know; run the version that wrote it, or a newer one", tag)
		}
		if version > 1 && tag == model.TagReceived && len(j) > 0 && j[0] == runForm {
			decode = decodeRun
		}
		c, err := decode(j)
		if fault.Is(err, fault.Version) {
			return nil, err
		}
		if err != nil {
			return nil, fault.New(fault.Corrupt, "", "change %d (tag %d) does not decode: %w", i+1, tag, err)
		}
		changes = append(changes, c)
	}
	if len(body) != 0 {
		return nil, fault.New(fault.Corrupt, "", "there are %d bytes behind the last change", len(body))
	}
	return changes, nil
}

// decoders is indexed by tag. A change without a decoder cannot be proposed.
var decoders = [256]func([]byte) (model.Change, error){
	model.TagFound:         decodeAs[model.Found],
	model.TagInvite:        decodeAs[model.Invite],
	model.TagEnroll:        decodeAs[model.Enroll],
	model.TagReceived:      decodeAs[model.Received],
	model.TagAdvisories:    decodeAs[model.Advisories],
	model.TagGeneration:    decodeAs[model.Generation],
	model.TagMatched:       decodeAs[model.Matched],
	model.TagRollup:        decodeAs[model.Rollup],
	model.TagDispatch:      decodeAs[model.Dispatch],
	model.TagMoves:         decodeAs[model.Moves],
	model.TagPutAccount:    decodeAs[model.PutAccount],
	model.TagPutSession:    decodeAs[model.PutSession],
	model.TagEndSession:    decodeAs[model.EndSession],
	model.TagTrustSigner:   decodeAs[model.TrustSigner],
	model.TagNote:          decodeAs[model.Note],
	model.TagHostStatuses:  decodeAs[model.HostStatuses],
	model.TagResync:        decodeAs[model.Resync],
	model.TagPutSearch:     decodeAs[model.PutSearch],
	model.TagDropSearch:    decodeAs[model.DropSearch],
	model.TagPutSite:       decodeAs[model.PutSite],
	model.TagRemoveMember:  decodeAs[model.RemoveMember],
	model.TagPutController: decodeAs[model.PutController],
	model.TagPutSecret:     decodeAs[model.PutSecret],
	model.TagOvertaken:     decodeAs[model.Overtaken],
	model.TagPutRule:       decodeAs[model.PutRule],
	model.TagDropRule:      decodeAs[model.DropRule],
	model.TagJudgeAlerts:   decodeAs[model.JudgeAlerts],
	model.TagAckAlert:      decodeAs[model.AckAlert],
	model.TagPutPolicy:     decodeAs[model.PutPolicy],
	model.TagDropPolicy:    decodeAs[model.DropPolicy],
	model.TagEvaluated:     decodeAs[model.Evaluated],
	model.TagRepair:        decodeAs[model.Repair],
	model.TagQuarantine:    decodeAs[model.Quarantine],
	model.TagRekey:         decodeAs[model.Rekey],
	model.TagRetireHosts:   decodeAs[model.RetireHosts],

	model.TagSetMemberStatus: decodeAs[model.SetMemberStatus],
	model.TagIntroduced:      decodeAs[model.Introduced],
	model.TagAskAlert:        decodeAs[model.AskAlert],
	model.TagClearSite:       decodeAs[model.ClearSite],

	model.TagStage:          decodeAs[model.Stage],
	model.TagCommit:         decodeAs[model.Commit],
	model.TagAbandon:        decodeAs[model.Abandon],
	model.TagPutPartner:     decodeAs[model.PutPartner],
	model.TagDropPartner:    decodeAs[model.DropPartner],
	model.TagPutAcceptance:  decodeAs[model.PutAcceptance],
	model.TagDropAcceptance: decodeAs[model.DropAcceptance],
	model.TagPutAuthority:   decodeAs[model.PutAuthority],
	model.TagDropAccount:    decodeAs[model.DropAccount],
}

func decodeAs[C model.Change](b []byte) (model.Change, error) {
	var c C
	if err := model.Decode(b, &c); err != nil {
		return nil, err
	}
	return c, nil
}
