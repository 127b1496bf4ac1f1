package pull

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
)

const (
	partSuffix = ".part"
	headSuffix = ".json"
	maxPart    = 16 << 10
	syncEvery  = 16 << 20 // bytes that a power cut may cost
	maxTag     = 1024     // of an ETag or a date that is kept
)

// partHead says what a file that is being fetched is to become.
type partHead struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitzero"`
	LastModified string `json:"last_modified,omitzero"`
	Size         int64  `json:"size,omitzero"` // 0: the far server does not say
	Whole        bool   `json:"whole,omitzero"`
}

// partFile is its form on disk.
type partFile struct {
	Version int      `json:"version"` // 1
	Head    partHead `json:"head"`
}

// partial is a file that is being fetched; it outlives a restart.
type partial struct {
	partHead
	path string
	have int64
	file *os.File // nil: not open
}

// openPartial returns what there is of the file of url.
func openPartial(path, url string) *partial {
	p := &partial{path: path}
	raw, err := os.ReadFile(path + headSuffix)
	var f partFile
	if err != nil || len(raw) > maxPart || model.Decode(raw, &f) != nil || f.Version != 1 || f.Head.URL != url {
		return p
	}
	info, err := os.Stat(path)
	if err != nil || f.Head.Size > 0 && info.Size() > f.Head.Size || f.Head.Whole && f.Head.Size > 0 && info.Size() != f.Head.Size {
		return p
	}
	p.partHead, p.have = f.Head, info.Size()
	return p
}

// validator is what a request for the rest names the edition by; "": nothing does. A weak tag does not say that the bytes are
// the same.
func (p *partial) validator() string {
	if p.ETag != "" && !strings.HasPrefix(p.ETag, "W/") {
		return p.ETag
	}
	return p.LastModified
}

// begin makes an empty file of what is to come.
func (p *partial) begin(head partHead) error {
	if err := p.drop(); err != nil {
		return err
	}
	if len(head.ETag) > maxTag || len(head.LastModified) > maxTag {
		head.ETag, head.LastModified = "", ""
	}
	p.partHead = head
	return p.save()
}

func (p *partial) save() error {
	raw, err := model.Encode(partFile{Version: 1, Head: p.partHead})
	if err == nil {
		err = durable.Write(p.path+headSuffix, raw, 0o600)
	}
	return readOnly(err)
}

// add writes a piece behind those that are there.
func (p *partial) add(piece []byte) error {
	if p.file == nil {
		f, err := os.OpenFile(p.path, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return readOnly(err)
		}
		if _, err := f.Seek(p.have, io.SeekStart); err != nil {
			return readOnly(errors.Join(err, f.Close()))
		}
		p.file = f
	}
	had := p.have
	n, err := p.file.Write(piece)
	p.have += int64(n)
	if err == nil && had/syncEvery != p.have/syncEvery {
		err = p.file.Sync()
	}
	return readOnly(err)
}

// sync makes durable what is there.
func (p *partial) sync() error {
	if p.file == nil {
		return nil
	}
	return readOnly(p.file.Sync())
}

// end says that the file is whole.
func (p *partial) end() error {
	if err := errors.Join(p.sync(), p.close()); err != nil {
		return err
	}
	p.Whole, p.Size = true, p.have
	return p.save()
}

func (p *partial) close() error {
	if p.file == nil {
		return nil
	}
	err := p.file.Close()
	p.file = nil
	return readOnly(err)
}

// drop forgets what is there.
func (p *partial) drop() error {
	errs := []error{p.close()}
	p.partHead, p.have = partHead{}, 0
	for _, path := range []string{p.path + headSuffix, p.path} { // without its head a file counts for nothing
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return readOnly(errors.Join(errs...))
}

func readOnly(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.ReadOnly, "keep what is fetched", "%w", err)
}
