package api

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/skerryhq/skerry/engine/fault"
)

// Parameters of argon2id: the first choice of the OWASP password storage cheat sheet. At most two
// hashes are computed at once, so logins can never take more than 38 MiB and two cores.
const (
	argonTime   = 2
	argonMemory = 19 * 1024 // KiB
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// decoy is a hash that no password has, with the parameters of the others.
const decoy = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// hashPassword returns the PHC form of a password's hash. It waits for a free slot.
func (s *Server) hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := io.ReadFull(s.c.Rand, salt); err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	key, err := s.argon(ctx, password, salt, argonTime, argonMemory, argonLanes)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// passwordIs reports whether password has the stored hash.
func (s *Server) passwordIs(ctx context.Context, password, stored string) (bool, error) {
	bad := fault.New(fault.Corrupt, "check password", "the stored hash cannot be read: set the password of this account again")
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, bad
	}
	var version int
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil {
		return false, bad
	}
	// A hash from elsewhere must not be able to ask for any amount of work.
	if memory < 8 || memory > 256*1024 || passes == 0 || passes > 16 || lanes == 0 || lanes > 8 {
		return false, bad
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(want) != argonKey {
		return false, bad
	}
	key, err := s.argon(ctx, password, salt, passes, memory, lanes)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, want) == 1, nil
}

func (s *Server) argon(ctx context.Context, password string, salt []byte, passes, memory uint32, lanes uint8) ([]byte, error) {
	select {
	case s.hashing <- struct{}{}:
	case <-ctx.Done():
		return nil, fault.New(fault.Unreachable, "check password", "too many logins at once: try again in a moment")
	}
	defer func() { <-s.hashing }()
	return argon2.IDKey([]byte(password), salt, passes, memory, lanes, argonKey), nil
}
