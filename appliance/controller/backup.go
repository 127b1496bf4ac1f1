package controller

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/key"
	"github.com/skerryhq/skerry/sync/enroll"
)

// A backup of a controller group is one tar stream, in this order:
//
//	backup.json         BackupInfo
//	rows/FILE …         a checkpoint of the index
//	pki/key.pem         the authority of the federation, with its certificate and the list of what this node issued
//	pki/cert.pem
//	pki/issued.log
//	cluster/group.key   the group's key, with which its secrets are sealed in the rows
//	keys/NAME.pem …     signing keys that are not among those secrets yet
//	files.json          names, sizes and SHA-256 sums of all between, see raftfsm.Packer
//	signature.json      {"alg":"ES256","signature":…} by the authority's key, see signed
//
// and nothing behind that. Only rows/ may have more than 1 MiB a file, and only pki/issued.log and keys/ may be
// missing. It holds the keys of the federation: whoever has it is every controller.
//
// Format history: 1, the first.
const (
	backupFormat  = 1
	backupHead    = "backup.json"
	backupSeal    = "signature.json"
	maxBackupHead = 256 << 10 // bytes
	maxSeal       = 1 << 10   // bytes
	maxSmall      = 1 << 20   // bytes of a file that is no row
	maxCert       = 64 << 10  // bytes of one that is looked into

	inRows    = "rows/"
	inKeys    = "keys/"
	theCAKey  = "pki/key.pem"
	theCACert = "pki/cert.pem"
	theIssued = "pki/issued.log"
	theGroup  = "cluster/group.key"
)

// BackupInfo says what a backup is of.
type BackupInfo struct {
	Format  int          `json:"format"`
	Group   model.NodeID `json:"group"` // the federation's id
	Name    string       `json:"name"`  // of the group
	Node    string       `json:"node"`  // that made it
	At      model.Time   `json:"at"`
	Applied uint64       `json:"applied"` // the rows hold at least all entries of the log up to this
	Epoch   model.Epoch  `json:"epoch"`   // of the group, when it was made
	Program string       `json:"program"` // version of what made it
	Schema  int          `json:"schema"`  // of the rows
	Entry   uint32       `json:"entry"`   // version of log entries
	CAPin   string       `json:"ca_pin"`  // of the federation's authority, which signed it
	Nodes   []BackupNode `json:"nodes"`   // of the group, removed ones left out
	// AgeS is how old the rows may have been at At, in seconds; 0 where they held all that the group had acknowledged.
	AgeS float64 `json:"age_s,omitzero"`

	// What follows is of who reads it.

	Files   int         `json:"-"`
	Bytes   int64       `json:"-"` // of the files
	Own     bool        `json:"-"` // its keys are those of the data folder that it was held against; set by VerifyBackup
	Life    model.Epoch `json:"-"` // of the group from now on; set by Restore
	NewNode string      `json:"-"` // name of the node that was restored; set by Restore
}

// BackupNode is a controller of the group.
type BackupNode struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// BackupSource is what a backup is made of.
type BackupSource struct {
	Store   *index.Store
	Node    enroll.Node
	Data    string // folder
	Program string // version
	// Fresh, if set, returns when Store holds everything that was acknowledged before the call.
	Fresh func(context.Context) error
	// Age, if set, is how old what Store holds may be.
	Age func() time.Duration
	Now func() time.Time // nil: time.Now
}

// Backup writes a backup to w while everything goes on. The rows are linked, and nothing is held up. It writes nothing
// before it knows that it can begin. Where it fails, what was written is no backup, and VerifyBackup says so. It ends
// early with the cause of ctx.
func (s BackupSource) Backup(ctx context.Context, w io.Writer) (BackupInfo, error) {
	info, err := s.write(ctx, w)
	return info, fault.Wrap("make a backup", err)
}

func (s BackupSource) write(ctx context.Context, w io.Writer) (BackupInfo, error) {
	caKey, err := readCAKey(filepath.Join(s.Data, theCAKey))
	if err != nil {
		return BackupInfo{}, err
	}
	if s.Fresh != nil {
		if err := s.Fresh(ctx); err != nil {
			return BackupInfo{}, err
		}
	}
	info, err := s.info()
	if err != nil {
		return info, err
	}
	// What a crash leaves here is removed at the next start.
	scratch := filepath.Join(s.Data, "raft", "scratch")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return info, fault.New(fault.ReadOnly, "", "%w", err)
	}
	dir, err := os.MkdirTemp(scratch, "backup-*")
	if err != nil {
		return info, fault.New(fault.ReadOnly, "", "%w", err)
	}
	defer os.RemoveAll(dir) // what cannot be removed now is removed at the next start
	if err := s.Store.Checkpoint(filepath.Join(dir, "rows")); err != nil {
		return info, err
	}
	files, err := s.files(filepath.Join(dir, "rows"))
	if err != nil {
		return info, fault.New(fault.Other, "", "%w", err)
	}
	err = pack(&heeding{ctx: ctx, w: w}, &info, files, caKey)
	return info, err
}

// pack writes a backup of files, and counts them.
func pack(w io.Writer, info *BackupInfo, files []packed, caKey *ecdsa.PrivateKey) error {
	p := raftfsm.NewPacker(w)
	head, err := p.JSON(backupHead, info)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := p.File(f.name, f.path); err != nil {
			return wrapDisk(err)
		}
		if i, err := os.Stat(f.path); err == nil {
			info.Bytes += i.Size()
		}
	}
	info.Files = len(files)
	list, err := p.List()
	if err != nil {
		return err
	}
	signature, err := sign(caKey, head, list)
	if err != nil {
		return err
	}
	if _, err := p.JSON(backupSeal, signature); err != nil {
		return err
	}
	return p.Close()
}

// info is the head of a backup that is made now.
func (s BackupSource) info() (BackupInfo, error) {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	info := BackupInfo{
		Format: backupFormat, Node: s.Node.Name, At: model.TimeOf(now()), Applied: s.Store.Applied(), Program: s.Program,
		Schema: key.Schema, Entry: entry.Version, CAPin: s.Node.CAPin(),
	}
	if s.Age != nil {
		info.AgeS = s.Age().Round(time.Millisecond).Seconds()
	}
	v := s.Store.View()
	defer v.Close()
	self, ok, err := v.Self()
	if err != nil {
		return info, err
	}
	if !ok {
		return info, fault.New(fault.Conflict, "", "this controller has no group yet, and nothing to back up")
	}
	life, err := v.Life()
	if err != nil {
		return info, err
	}
	nodes, err := v.Living(model.MemberController)
	if err != nil {
		return info, err
	}
	info.Group, info.Name, info.Epoch = self.Self, self.Name, life.Epoch
	for _, m := range nodes {
		if m.Status == model.MemberEnrolled && len(info.Nodes) < 64 {
			info.Nodes = append(info.Nodes, BackupNode{m.Name, m.Address})
		}
	}
	return info, nil
}

type packed struct{ name, path string }

// files lists what a backup holds.
func (s BackupSource) files(rows string) ([]packed, error) {
	var all []packed
	names, err := os.ReadDir(rows) // sorted
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		all = append(all, packed{inRows + n.Name(), filepath.Join(rows, n.Name())})
	}
	for _, name := range []string{theCAKey, theCACert, theIssued, theGroup} {
		path := filepath.Join(s.Data, name)
		if _, err := os.Stat(path); name == theIssued && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		all = append(all, packed{name, path})
	}
	names, err = os.ReadDir(filepath.Join(s.Data, "keys"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, n := range names {
		if backupName(inKeys+n.Name()) && n.Type().IsRegular() {
			all = append(all, packed{inKeys + n.Name(), filepath.Join(s.Data, "keys", n.Name())})
		}
	}
	return all, nil
}

// backupName reports whether a file of a backup may have that name.
func backupName(name string) bool {
	if file, ok := strings.CutPrefix(name, inRows); ok {
		return raftfsm.Plain(file)
	}
	if file, ok := strings.CutPrefix(name, inKeys); ok {
		return raftfsm.Plain(file) && strings.HasSuffix(file, ".pem")
	}
	return slices.Contains([]string{theCAKey, theCACert, theIssued, theGroup}, name)
}

// seal is the signature of a backup.
type seal struct {
	Alg       string `json:"alg"`
	Signature []byte `json:"signature"` // R and S, 32 bytes each (RFC 7518 section 3.4)
}

// signed is the digest that is signed: SHA-256 of "skerry backup 1", a newline and the SHA-256 of the head and of the
// list, so that neither can be put before another.
func signed(head, list []byte) []byte {
	h, l := sha256.Sum256(head), sha256.Sum256(list)
	sum := sha256.Sum256(slices.Concat([]byte("skerry backup 1\n"), h[:], l[:]))
	return sum[:]
}

func sign(k *ecdsa.PrivateKey, head, list []byte) (seal, error) {
	r, s, err := ecdsa.Sign(rand.Reader, k, signed(head, list))
	if err != nil {
		return seal{}, fault.New(fault.Other, "", "%w", err)
	}
	b := make([]byte, 64)
	r.FillBytes(b[:32])
	s.FillBytes(b[32:])
	return seal{"ES256", b}, nil
}

func (s seal) holds(k *ecdsa.PublicKey, head, list []byte) bool {
	return s.Alg == "ES256" && len(s.Signature) == 64 &&
		ecdsa.Verify(k, signed(head, list), new(big.Int).SetBytes(s.Signature[:32]), new(big.Int).SetBytes(s.Signature[32:]))
}

// readCAKey reads the key that backups are signed with.
func readCAKey(path string) (*ecdsa.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "", "the authority's key cannot be read: %w", err)
	}
	return parseCAKey(b)
}

func parseCAKey(b []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fault.New(fault.Corrupt, "", "the authority's key is not in PEM form")
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "", "the authority's key: %w", err)
	}
	k, ok := any.(*ecdsa.PrivateKey)
	if !ok || k.Curve != elliptic.P256() {
		return nil, fault.New(fault.Corrupt, "", "the authority's key is not an ECDSA P-256 key")
	}
	return k, nil
}

// heeding is a writer that fails once ctx has ended.
type heeding struct {
	ctx context.Context
	w   io.Writer
	r   io.Reader
}

// Write implements io.Writer.
func (h *heeding) Write(b []byte) (int, error) {
	if h.ctx.Err() != nil {
		return 0, context.Cause(h.ctx)
	}
	return h.w.Write(b)
}

// Read implements io.Reader.
func (h *heeding) Read(b []byte) (int, error) {
	if h.ctx.Err() != nil {
		return 0, context.Cause(h.ctx)
	}
	return h.r.Read(b)
}

// wrapDisk gives an error of the file system a kind.
func wrapDisk(err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.New(fault.ReadOnly, "", "%w", err)
}
