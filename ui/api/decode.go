package api

import (
	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/model"
)

// decoded is what a file holds.
type decoded struct {
	Records []model.Advisory
	Bad     []badRecord
}

type badRecord struct{ Name, Reason string }

func decode(source, name string, raw []byte) decoded {
	a, err := canonical.DecodeFile(source, name, raw)
	if err != nil {
		return decoded{Bad: []badRecord{{name, err.Error()}}}
	}
	return decoded{Records: []model.Advisory{a}}
}
