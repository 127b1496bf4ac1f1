package index

import "github.com/skerryhq/skerry/storage/key"

// Pending reports whether an inventory is marked: what is known of its findings is of older advisories, or nothing is known.
func (r *Reader) Pending(digest string) (bool, error) {
	return r.has(key.Dirty(digest))
}

// PendingHosts counts the hosts whose inventories are marked.
func (r *Reader) PendingHosts() (int, error) {
	digests, err := r.DirtyDigests(0)
	if err != nil {
		return 0, err
	}
	all := 0
	for _, d := range digests {
		n, err := r.count(key.HostsWith(d))
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}
