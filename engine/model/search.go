package model

// SavedSearch is a question about the directory that somebody gave a name.
type SavedSearch struct {
	Name    string   `json:"name"`             // 1 to 64 of a-z 0-9 . _ -
	Query   string   `json:"query"`            // as engine/query reads it; at most 4,096 bytes; empty: every host
	Sort    string   `json:"sort,omitzero"`    // as engine/query reads it; at most 64 bytes; empty: by id
	Columns []string `json:"columns,omitzero"` // names of fields, in order of display; at most 64 of 64 bytes
	Account string   `json:"account"`          // who saved it last
	At      Time     `json:"at"`               // when
}
