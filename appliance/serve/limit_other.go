//go:build !unix

package serve

// maxLinks bounds the members whose links one server holds at once.
func maxLinks() int { return mostLinks }
