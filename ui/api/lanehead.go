package api

import (
	"bytes"
	"slices"
)

// lanePaths are where a GET is for the lane: of operations that answer by themselves (raw), read no body, have
// their answer whole before they send it, and bound the time of each of their steps, so that the whole needs no
// bound.
var lanePaths = []string{base + "/hosts", base + "/hosts/facets", base + "/sites"}

// laneBegin is how every request in the lane begins.
const laneBegin = "GET " + base + "/"

// maybePlain reports whether a head that begins so may be one for the lane.
func maybePlain(begin []byte) bool {
	n := min(len(begin), len(laneBegin))
	return string(begin[:n]) == laneBegin[:n]
}

// plainHead reports whether a head, with the empty line at its end, is one for the lane: GET of one of
// lanePaths, HTTP/1.1, ASCII that is printed, one Host, and no header beside those that do no more than say
// who asks for what. Thus it has no body, no second meaning, and nothing follows from it for the connection.
func plainHead(head []byte) bool {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	target, ok := bytes.CutPrefix(line, []byte("GET "))
	if !ok || !printed(line) {
		return false
	}
	if target, ok = bytes.CutSuffix(target, []byte(" HTTP/1.1")); !ok || bytes.IndexByte(target, ' ') >= 0 {
		return false
	}
	path, _, _ := bytes.Cut(target, []byte("?"))
	if !slices.Contains(lanePaths, string(path)) {
		return false
	}
	hosts := 0
	for {
		line, rest, ok = bytes.Cut(rest, []byte("\r\n"))
		if !ok || len(line) == 0 {
			return ok && len(rest) == 0 && hosts == 1
		}
		name, value, colon := bytes.Cut(line, []byte(":"))
		if !colon || !printed(line) || !plainHeader(name, bytes.Trim(value, " "), &hosts) {
			return false
		}
	}
}

// plainHeader reports whether a header is one that the lane knows.
func plainHeader(name, value []byte, hosts *int) bool {
	var lower [24]byte
	if len(name) > len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	switch string(lower[:len(name)]) {
	case "host":
		*hosts++
		return len(value) > 0 && !slices.ContainsFunc(value, func(c byte) bool { return !hostByte(c) })
	case "connection":
		return bytes.EqualFold(value, []byte("keep-alive"))
	case "accept", "accept-encoding", "accept-language", "authorization", "cache-control", "cookie", "origin", "pragma", "priority", "referer",
		"sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "user-agent":
		return true
	}
	return false
}

func hostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == ':' || c == '[' || c == ']' || c == '_'
}

// printed reports whether a line is ASCII without any control character.
func printed(line []byte) bool {
	for _, c := range line {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
