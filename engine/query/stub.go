package query

import "github.com/skerryhq/skerry/engine/model"

func Parse(text string) (Expr, error) { return All{}, nil }
func Format(x Expr) string            { return "" }

type SyntaxError struct {
	Text        string
	Pos, End    int
	Msg         string
	Suggestions []string
}

func (e *SyntaxError) Error() string      { return e.Msg }
func (e *SyntaxError) Caret() string      { return e.Msg }
func ParseSort(text string) (Sort, error) { return Sort{}, nil }
func (s Sort) String() string             { return "" }

type Env struct {
	Now  model.Time
	Site func(model.SiteID) model.Site
}

func Match(x Expr, h *model.Host, env Env) bool      { return true }
func (p Pattern) Match(folded string) bool           { return true }
func Fold(s string) string                           { return s }
func CompareVersions(a, b string) int                { return 0 }
func Less(s Sort, a, b *model.Host, env Env) bool    { return false }
func (c Cursor) String() string                      { return "" }
func ParseCursor(text string) (Cursor, error)        { return Cursor{}, nil }
func CursorOf(s Sort, h *model.Host, env Env) Cursor { return Cursor{} }
func OSMatches(p Pattern, os model.OS) bool          { return true }

type Completion struct {
	From, To int
	Items    []Suggestion
}
type Suggestion struct {
	Text, Doc string
	N         int
}

func Complete(text string, at int, values func(f Field, prefix string, limit int) []Count) Completion {
	return Completion{}
}
