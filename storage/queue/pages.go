package queue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// The pages of a bbolt file (go.etcd.io/bbolt, internal/common/page.go), as much of them as says which page points to which. Numbers
// have the byte order of the machine, and places are counted from the element that has them.
//
//	page     id 8, flags 2, count 2, overflow 4, then count elements; it goes on over as many pages more as overflow says
//	branch   pos 4, key size 4, page 8
//	leaf     flags 4, pos 4, key size 4, value size 4
//	bucket   a value: its first page 8, sequence 8; where that page is 0, it follows
const (
	pageHead   = 16
	element    = 16
	pageBranch = 1
	pageLeaf   = 2
	leafBucket = 1
	bucketHead = 16
)

// pages walks over those of a file. When bbolt opens one for writing it does the same, in a goroutine of its own, where whatever
// does not fit ends the process or takes memory until there is none; so all that it looks at is judged here before.
type pages struct {
	file  io.ReaderAt
	size  int64 // of a page, bytes
	last  uint64
	seen  map[uint64]bool
	roots []uint64 // of buckets, to be walked
}

// tree fails where a page is reached twice or lies beyond the end, where what stands in it is not within it, or where keys
// are not in order.
func tree(tx *bbolt.Tx, file io.ReaderAt, pageSize int) error {
	p := &pages{file: file, size: int64(pageSize), last: uint64(tx.Size()) / uint64(pageSize), seen: map[uint64]bool{}}
	p.roots = []uint64{uint64(tx.Cursor().Bucket().Root())}
	for len(p.roots) > 0 {
		root := p.roots[0]
		p.roots = p.roots[1:]
		if err := p.walk(root, nil, nil); err != nil {
			return damaged(err)
		}
	}
	return nil
}

// walk judges a page and those below it, whose keys are from least on and before most; nil: there is no such bound.
func (p *pages) walk(id uint64, least, most []byte) error {
	page, flags, n, err := p.read(id)
	if err != nil {
		return err
	}
	keys, err := p.elements(id, page, flags, n, least, most)
	if err != nil || flags == pageLeaf {
		return err
	}
	for i := range n {
		next := most
		if i+1 < n {
			next = keys[i+1]
		}
		if err := p.walk(binary.NativeEndian.Uint64(page[pageHead+i*element+8:]), keys[i], next); err != nil {
			return err
		}
	}
	return nil
}

// elements judges what stands in a page, and returns its keys.
func (p *pages) elements(id uint64, page []byte, flags uint16, n int, least, most []byte) ([][]byte, error) {
	part := func(at, size int) ([]byte, error) {
		if at < pageHead || size < 0 || at+size > len(page) {
			return nil, fmt.Errorf("page %d has an element that is not within it", id)
		}
		return page[at : at+size], nil
	}
	keys := make([][]byte, n)
	for i := range n {
		at := pageHead + i*element
		e := page[at:]
		pos, size := e, e[4:]
		if flags == pageLeaf {
			pos, size = e[4:], e[8:]
		}
		from := at + int(binary.NativeEndian.Uint32(pos))
		var err error
		if keys[i], err = part(from, int(binary.NativeEndian.Uint32(size))); err != nil {
			return nil, err
		}
		switch {
		case i == 0 && least != nil && bytes.Compare(keys[0], least) < 0,
			i > 0 && bytes.Compare(keys[i-1], keys[i]) >= 0,
			most != nil && bytes.Compare(keys[i], most) >= 0:
			return nil, fmt.Errorf("the keys of page %d are not in order", id)
		}
		if flags == pageBranch {
			continue
		}
		value, err := part(from+len(keys[i]), int(binary.NativeEndian.Uint32(e[12:])))
		if err != nil {
			return nil, err
		}
		if binary.NativeEndian.Uint32(e)&leafBucket == 0 {
			continue
		}
		if len(value) < bucketHead {
			return nil, fmt.Errorf("page %d has a bucket without a beginning", id)
		}
		if root := binary.NativeEndian.Uint64(value); root != 0 {
			p.roots = append(p.roots, root)
		} else if err := p.inline(id, value[bucketHead:]); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// inline judges the page of a small bucket that stands in the value of its element.
func (p *pages) inline(id uint64, page []byte) error {
	if len(page) < pageHead {
		return fmt.Errorf("page %d has a bucket without a page", id)
	}
	flags, n := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:]))
	if flags != pageLeaf || pageHead+n*element > len(page) {
		return fmt.Errorf("page %d has a bucket whose page is none", id)
	}
	_, err := p.elements(id, page, flags, n, nil, nil)
	return err
}

// read returns a page with those that it goes on over, its kind, and how many elements it has.
func (p *pages) read(id uint64) (page []byte, flags uint16, n int, err error) {
	if id < 2 || id >= p.last { // the first two are the heads
		return nil, 0, 0, fmt.Errorf("page %d of %d is pointed to", id, p.last)
	}
	var head [pageHead]byte
	if _, err := p.file.ReadAt(head[:], int64(id)*p.size); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	over := uint64(binary.NativeEndian.Uint32(head[12:]))
	if over >= p.last-id {
		return nil, 0, 0, fmt.Errorf("page %d of %d goes on beyond the end", id, p.last)
	}
	for i := id; i <= id+over; i++ {
		if p.seen[i] {
			return nil, 0, 0, fmt.Errorf("page %d is reached twice", i)
		}
		p.seen[i] = true
	}
	flags, n = binary.NativeEndian.Uint16(head[8:]), int(binary.NativeEndian.Uint16(head[10:]))
	page = make([]byte, int64(over+1)*p.size)
	switch {
	case binary.NativeEndian.Uint64(head[:]) != id:
		return nil, 0, 0, fmt.Errorf("page %d says that it is another one", id)
	case flags != pageBranch && flags != pageLeaf:
		return nil, 0, 0, fmt.Errorf("page %d is of no kind that a row can be on", id)
	case pageHead+n*element > len(page), flags == pageBranch && n == 0:
		return nil, 0, 0, fmt.Errorf("page %d cannot have %d elements", id, n)
	}
	if _, err := p.file.ReadAt(page, int64(id)*p.size); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	return page, flags, n, nil
}
