package enroll

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/sync/link"
)

// The files of a controller in its data folder, beside its stores:
//
//	pki/                    the authority of the federation (see CA), the same on all nodes
//	cluster/key.pem         this node's own key
//	cluster/group.key       32 bytes, the group's key
//	cluster/group.sum       SHA-256 of that, in hex
//	cluster/nodes.json      where the group's nodes were when this one joined
//	cluster/identity.json   written last: with it, the node belongs to the group
const (
	pkiDir       = "pki"
	clusterDir   = "cluster"
	groupKeyFile = "group.key"
	groupSumFile = "group.sum"
	nodesFile    = "nodes.json"
)

// Node is a controller as its data folder knows it. Identity.Member is its id within the group and within
// Raft, Identity.Upper the group. CAKey and CA are set only by JoinGroup; the rest of the
// time OpenCA has them.
type Node struct {
	Identity
	Secrets Secrets
}

// Register returns the change by which this node keeps its entry in the registry: to be proposed by the
// founder of the group once it leads, and by every node whose address has changed. address is HOST:PORT.
func (n Node) Register(at model.Time, address string) model.PutController {
	return model.PutController{
		Stamp:  model.Stamp{Actor: noun(n.Kind) + ":" + n.Member.String(), At: at},
		Member: n.Member, Name: n.Name, Address: address, Pin: n.Pin(),
	}
}

// Founder reports whether this node founded its group, as against having joined one: only it may begin
// Raft anew.
func (n Node) Founder() bool { return n.URL == "" }

// LoadNode reads what FoundNode or SaveNode stored in the data folder. It is NotFound where there is no
// controller yet, Corrupt where files are missing or do not belong together.
func LoadNode(data string) (Node, error) {
	const op = "load the controller's identity"
	dir := filepath.Join(data, clusterDir)
	id, err := LoadIdentity(dir)
	if err != nil {
		return Node{}, err
	}
	n := Node{Identity: id}
	if id.Kind != model.MemberController {
		return Node{}, fault.New(fault.Corrupt, op, "%s is the identity of %s %q, not of a controller: restore it from a backup", filepath.Join(dir, identityFile), noun(id.Kind), id.Name)
	}
	path := filepath.Join(dir, groupKeyFile)
	n.Secrets.GroupKey, err = readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Node{}, fault.New(fault.Corrupt, op, "%s is missing: restore it from a backup, or copy it from another controller of the group", path)
	}
	if err != nil {
		return Node{}, diskFault(op, err)
	}
	if len(n.Secrets.GroupKey) != groupKeyLen {
		return Node{}, fault.New(fault.Corrupt, op, "%s has %d bytes instead of %d: restore it from a backup, or copy it from another controller of the group", path, len(n.Secrets.GroupKey), groupKeyLen)
	}
	// A key with another bit is a key as well: secrets would be sealed with it, and new nodes given it.
	if sum, err := os.ReadFile(filepath.Join(dir, groupSumFile)); err == nil && string(sum) != sumOf(n.Secrets.GroupKey) {
		return Node{}, fault.New(fault.Corrupt, op, "%s does not fit its sum: restore both from a backup, or copy them from another controller of the group", path)
	}
	raw, err := os.ReadFile(filepath.Join(dir, nodesFile))
	if err == nil && len(raw) <= maxIdentity {
		// Only where to look first: the registry knows better, and a damaged list is no reason to stay down.
		if model.Decode(raw, &n.Secrets.Nodes) != nil || checkNodes(n.Secrets.Nodes) != nil {
			n.Secrets.Nodes = nil
		}
	}
	return n, nil
}

// Founding says who founds a group.
type Founding struct {
	Member    model.NodeID // this node
	Group     model.NodeID
	Name      string // this node's, 1 to 64 bytes
	GroupName string
	// GroupKey is the key of the group, 32 bytes, where it was one before: secrets are sealed with it. Nil: a new one.
	GroupKey []byte
	Now      func() time.Time // nil: time.Now
	Random   io.Reader        // nil: crypto/rand
}

// FoundNode returns the node in the data folder, or makes it the first of a group: a key of its own, a
// certificate of it from ca, and the group's key. It also does so where a group of one was founded by a
// Skerry that kept no identity of its nodes. It is repeated after a crash with any Founding; what was
// stored stands.
func FoundNode(data string, ca *CA, f Founding) (Node, error) {
	op := "found the controller group in " + data
	n, err := LoadNode(data)
	switch {
	case err == nil && n.CAPin() != ca.Pin():
		return Node{}, fault.New(fault.Corrupt, op, "the identity of this controller is of another certificate authority than %s holds: restore both from one backup", ca.dir)
	case err == nil:
		return n, n.addSum(filepath.Join(data, clusterDir))
	case !fault.Is(err, fault.NotFound):
		return n, err
	case f.Member.IsZero() || f.Group.IsZero() || f.Name == "" || len(f.Name) > 64:
		return Node{}, fault.New(fault.Invalid, op, "ids of the node and the group and a name of 1 to 64 bytes are needed")
	case f.GroupKey != nil && len(f.GroupKey) != groupKeyLen:
		return Node{}, fault.New(fault.Invalid, op, "the group's key has %d bytes instead of %d", len(f.GroupKey), groupKeyLen)
	}
	if f.Random == nil {
		f.Random = rand.Reader
	}
	dir := filepath.Join(data, clusterDir)
	key, err := OpenKey(dir)
	if err != nil {
		return Node{}, fault.Wrap(op, err)
	}
	at := clock(f.Now)
	cert, err := ca.IssueMember(model.Member{ID: f.Member, Kind: model.MemberController, Name: f.Name, Epoch: 1, EnrolledAt: model.TimeOf(at)}, key.Public())
	if err != nil {
		return Node{}, fault.Wrap(op, err)
	}
	n = Node{Identity: Identity{
		Member: f.Member, Kind: model.MemberController, Name: f.Name, Epoch: 1, Upper: f.Group, UpperName: f.GroupName,
		CACert: string(ca.CertPEM()), Cert: string(pemCert(cert)), EnrolledAt: model.TimeOf(at), Key: key,
	}}
	if n.Secrets.GroupKey = f.GroupKey; f.GroupKey == nil {
		n.Secrets.GroupKey = make([]byte, groupKeyLen)
		if _, err := io.ReadFull(f.Random, n.Secrets.GroupKey); err != nil {
			return Node{}, fault.New(fault.Other, op, "read randomness: %w", err)
		}
	}
	if err := n.store(dir); err != nil {
		return Node{}, diskFault(op, err)
	}
	return LoadNode(data)
}

// BeginNode prepares the data folder of a machine that is about to join with token, and returns the key
// to join with; the same one at every attempt. It is Conflict where the folder belongs to something else:
// a store, another group, another member.
func BeginNode(data string, token Token) (crypto.Signer, error) {
	const op = "join the group"
	if err := CheckFolder(data, model.MemberController); err != nil {
		return nil, fault.Wrap(op, err)
	}
	dir := filepath.Join(data, clusterDir)
	id, err := LoadIdentity(dir)
	switch {
	case err == nil && (id.Member != token.Member || id.CAPin() != token.Pin()):
		return nil, fault.New(fault.Conflict, op, "%s belongs to %s %q of %q already, and the token is for another member: stop Skerry, move the folder away and join with an empty one; a damaged node of the group is replaced with `skerry cluster rejoin`", data, noun(id.Kind), id.Name, id.UpperName)
	case err == nil: // the same again: its answer may have been lost
	case !fault.Is(err, fault.NotFound):
		return nil, fault.Wrap(op, err)
	default:
		for _, name := range []string{"index", "raft", "node-id"} {
			if _, err := os.Lstat(filepath.Join(data, name)); err == nil {
				return nil, fault.New(fault.Conflict, op, "%s holds a store already (there is %s): a controller joins with an empty data folder, so move this one away; if it is a damaged node of the group, `skerry cluster rejoin` replaces it", data, name)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, diskFault(op, err)
			}
		}
	}
	cert, err := os.ReadFile(filepath.Join(data, pkiDir, "cert.pem"))
	if err == nil {
		c, err := parseCert(cert)
		if err != nil || link.PinOf(c) != token.Pin() {
			return nil, fault.New(fault.Conflict, op, "%s holds a certificate authority of its own, which is not the one of the token: move it away and join with an empty data folder", filepath.Join(data, pkiDir))
		}
	} else if _, err := os.Lstat(filepath.Join(data, pkiDir, keyFile)); err == nil && !joining(dir) {
		return nil, fault.New(fault.Conflict, op, "%s holds the key of a certificate authority: move it away and join with an empty data folder", filepath.Join(data, pkiDir))
	}
	return OpenKey(dir)
}

// joining reports whether an earlier attempt got as far as making this node's key.
func joining(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, keyFile))
	return err == nil
}

// SaveNode stores what JoinGroup returned in the data folder, durable when it returns. After a crash in
// between, the same join can be repeated. It is Conflict where the folder holds another authority.
func SaveNode(data string, n Node) error {
	op := "store the controller's identity in " + data
	if err := n.Secrets.verify(n.CAPin()); err != nil {
		return fault.Wrap(op, err)
	}
	pki := filepath.Join(data, pkiDir)
	if err := os.MkdirAll(pki, 0o700); err != nil {
		return diskFault(op, err)
	}
	for _, f := range []struct {
		name string
		data string
		mode fs.FileMode
	}{{keyFile, n.Secrets.CAKey, 0o600}, {"cert.pem", n.Secrets.CA, 0o644}} {
		path := filepath.Join(pki, f.name)
		if was, err := os.ReadFile(path); err == nil && !bytes.Equal(was, []byte(f.data)) {
			return fault.New(fault.Conflict, op, "%s is of another certificate authority: move it away and join with an empty data folder", path)
		}
		if err := durable.Write(path, []byte(f.data), f.mode); err != nil {
			return diskFault(op, err)
		}
	}
	if err := n.store(filepath.Join(data, clusterDir)); err != nil {
		return diskFault(op, err)
	}
	return nil
}

func sumOf(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:]) + "\n"
}

// addSum gives sums to what an earlier version stored without.
func (n *Node) addSum(dir string) error {
	_, err := os.Lstat(filepath.Join(dir, groupSumFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = n.store(dir)
	}
	if err != nil {
		return diskFault("store the controller's identity in "+dir, err)
	}
	return nil
}

// store writes the files of this node, the identity last.
func (n *Node) store(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := durable.Write(filepath.Join(dir, groupKeyFile), n.Secrets.GroupKey, 0o600); err != nil {
		return err
	}
	if err := durable.Write(filepath.Join(dir, groupSumFile), []byte(sumOf(n.Secrets.GroupKey)), 0o600); err != nil {
		return err
	}
	nodes, err := model.Encode(n.Secrets.Nodes)
	if err != nil {
		return err
	}
	if err := durable.Write(filepath.Join(dir, nodesFile), append(nodes, '\n'), 0o600); err != nil {
		return err
	}
	return SaveIdentity(dir, n.Identity)
}
