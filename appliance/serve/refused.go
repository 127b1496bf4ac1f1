package serve

// Turned returns how many single items were refused when they were applied; see Sources.Turned.
func (r Rows) Turned() map[string]uint64 {
	v := r.Store.View()
	defer v.Close()
	x, err := v.Refusals()
	if err != nil {
		return nil // the next scrape may read it
	}
	return x.Total
}
