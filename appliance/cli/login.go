package cli

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) login() *cobra.Command {
	var account, passwordFile, fingerprint, name string
	c := leaf("login https://HOST:PORT[,https://HOST:PORT...]", "Log in at a server, or a group of them, and remember it as the current context", 1, 1, nil)
	c.Flags().StringVar(&account, "account", "admin", "who logs in")
	c.Flags().StringVar(&passwordFile, "password-file", "", "file with the password (SKERRY_PASSWORD_FILE); absent: it is asked for")
	c.Flags().StringVar(&fingerprint, "fingerprint", "", "hex SHA-256 of the key of the authority that the server must come from")
	c.Flags().StringVar(&name, "name", "", "name of the context; absent: the server's host name")
	c.RunE = func(c *cobra.Command, args []string) error {
		servers, err := parseServers(args[0])
		if err != nil {
			return err
		}
		for _, u := range servers {
			if u.Scheme != "https" {
				return usagef("the local socket needs no login: use --server %s", u)
			}
		}
		u := servers[0]
		if raw, err := hex.DecodeString(fingerprint); fingerprint != "" && (err != nil || len(raw) != sha256.Size) {
			return usagef("--fingerprint: %q is none: want 64 hexadecimal digits", fingerprint)
		}
		s, err := a.loadContexts()
		if err != nil {
			return err
		}
		saved := savedContext{Server: listed(servers), Account: account, Fingerprint: strings.ToLower(fingerprint)}
		if err := a.trust(c.Context(), servers, s, &saved); err != nil {
			return err
		}
		password, err := a.password(c.Context(), passwordFile, "Password of "+account+" at "+u.Host+": ")
		if err != nil {
			return err
		}
		server, err := a.clientFor(saved)
		if err != nil {
			return err
		}
		server.token, server.tell = "", a.say
		var session schema.Session
		if err := server.call(c.Context(), http.MethodPost, "/login", nil, schema.Login{Account: account, Password: password}, &session); err != nil {
			return err
		}
		saved.Token, saved.ExpiresAt = session.Token, session.ExpiresAt
		if name == "" {
			name = u.Hostname()
		}
		s.Contexts[name], s.Current = &saved, name
		if err := a.saveContexts(s); err != nil {
			return err
		}
		a.say("Logged in at %s as %s until %s (context %s).", hostsOf(servers), account, when(&session.ExpiresAt), name)
		return nil
	}
	return c
}

// trust settles how the server proves itself: by --ca, --fingerprint, what was settled before, what
// the system trusts, or a person who compares the fingerprint.
func (a *app) trust(ctx context.Context, servers []*url.URL, s *savedContexts, to *savedContext) error {
	if file := a.flagOr(a.ca, "SKERRY_CA"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return usagef("--ca: %w", err)
		}
		to.CA = string(pem)
		return nil
	}
	if to.Fingerprint != "" {
		return nil
	}
	if before := s.at(to.Server); before != nil {
		to.CA, to.Fingerprint = before.CA, before.Fingerprint
		return nil
	}
	pin, trusted, u, err := lookAt(ctx, servers)
	if err != nil || trusted {
		return err
	}
	if !terminal(a.in) {
		return usagef("the system does not trust %s; its authority's fingerprint is %s: if the server's operator confirms it, give --fingerprint, else --ca FILE", u.Host, pin)
	}
	a.say("The system does not know the authority of %s. Its fingerprint is\n  %s\n"+
		"Compare it with the CA pin that `skerry sites enroll` (at a site: `skerry agents enroll`) prints on the server.", u.Host, pin)
	ok, err := a.confirm(ctx, "Is it the same?")
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("not trusted; nothing was sent")
	}
	to.Fingerprint = pin
	return nil
}

// hostsOf names servers for people.
func hostsOf(servers []*url.URL) string {
	var all []string
	for _, u := range servers {
		all = append(all, u.Host)
	}
	return strings.Join(all, ", ")
}

// lookAt looks at the first server that answers: all of a group come from the same authority.
func lookAt(ctx context.Context, servers []*url.URL) (pin string, trusted bool, at *url.URL, err error) {
	var failed error
	for _, u := range servers {
		if pin, trusted, err = look(ctx, u); err == nil {
			return pin, trusted, u, nil
		}
		if failed != nil {
			err = fmt.Errorf("%w; %w", failed, err)
		}
		failed = err
	}
	return "", false, nil, failed
}

func (a *app) logout() *cobra.Command {
	return leaf("logout", "End the session of the current context", 0, 0, func(c *cobra.Command, _ []string) error {
		s, err := a.loadContexts()
		if err != nil {
			return err
		}
		name := a.flagOr(a.context, "SKERRY_CONTEXT")
		if name == "" {
			name = s.Current
		}
		saved := s.Contexts[name]
		if saved == nil || saved.Token == "" {
			a.say("Not logged in.")
			return nil
		}
		server, err := a.clientFor(*saved)
		if err != nil {
			return err
		}
		// The token is forgotten here even where the server cannot be told.
		ended := server.call(c.Context(), http.MethodPost, "/logout", nil, nil, nil)
		saved.Token = ""
		if err := a.saveContexts(s); err != nil {
			return err
		}
		if ended != nil {
			return fmt.Errorf("the session is forgotten here, but its server was not told: %w", ended)
		}
		a.say("Logged out of %s.", saved.Server)
		return nil
	})
}

// password reads a secret from a file, or asks for it without showing it.
func (a *app) password(ctx context.Context, file, prompt string) (string, error) {
	if file == "" {
		file, _ = a.env("SKERRY_PASSWORD_FILE")
	}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", usagef("--password-file: %w", err)
		}
		return strings.TrimRight(string(raw), "\r\n"), nil
	}
	if !terminal(a.in) {
		return "", usagef("no terminal to ask for the password on: give --password-file FILE")
	}
	fd := int(a.in.(*os.File).Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", fmt.Errorf("hide the password: %w", err)
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &hidden); err != nil {
		return "", fmt.Errorf("hide the password: %w", err)
	}
	defer func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, before)
		fmt.Fprintln(a.err)
	}()
	fmt.Fprint(a.err, prompt)
	return a.line(ctx)
}

// line reads an answer; an interrupt ends the wait for it.
func (a *app) line(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	given := make(chan answer, 1)
	go func() { // a read of a terminal cannot be called off; the process ends with it
		line, err := bufio.NewReader(a.in).ReadString('\n')
		given <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case g := <-given:
		if g.err != nil && (g.err != io.EOF || g.line == "") {
			return "", fmt.Errorf("read the answer: %w", g.err)
		}
		return strings.TrimRight(g.line, "\r\n"), nil
	}
}

// confirm asks a yes-or-no question; everything but yes is no.
func (a *app) confirm(ctx context.Context, question string) (bool, error) {
	if !terminal(a.in) {
		return false, usagef("%s There is no terminal to ask on: give --yes", question)
	}
	fmt.Fprint(a.err, question+" [y/N] ")
	answer, err := a.line(ctx)
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", err
}
