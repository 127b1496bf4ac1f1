package model

// MaxName bounds what a server is called, in bytes.
const MaxName = 64

// IsName reports whether s is what a server, a node or a source may be called: 1 to MaxName of a-z 0-9 . _ - that begin with a letter or
// digit. Texts of an ID are of that form as well, so that each can stand for the other in a path, a line of a file and a command.
func IsName(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}
