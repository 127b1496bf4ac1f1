package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// pipes is a listener whose connections are in memory, so that their time can be the test's.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// laneRig is a server on pipes.
type laneRig struct {
	*rig
	token string
	l     *pipes
	conf  *tls.Config
	stop  context.CancelFunc
	done  chan error
}

// inLane runs a test in its own time. Lanes off: everything goes to net/http.
func inLane(t *testing.T, lanes bool, test func(r *laneRig)) {
	cert := selfSigned(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		r := &laneRig{rig: newRig(t, func(c *Config) { c.Now = time.Now }), l: newPipes(), stop: stop, done: make(chan error, 1)}
		r.site(berlin, "berlin", model.HostUp, model.HostUp, model.HostDown)
		r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
		r.token = r.mem.login("admin")
		r.conf = &tls.Config{Certificates: []tls.Certificate{cert}}
		l := tls.NewListener(r.l, r.conf)
		go func() {
			if lanes {
				r.done <- r.server.Serve(ctx, l)
			} else {
				r.done <- r.server.serve(ctx, l, r.server.counted(), nil)
			}
		}()
		test(r)
		stop()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
	})
}

func (r *laneRig) dial() *tls.Conn {
	client, server := net.Pipe()
	r.l.conns <- server
	c := tls.Client(client, &tls.Config{InsecureSkipVerify: true}) // the test's own server
	if err := c.Handshake(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = client.Close() })
	return c
}

// send writes while the answers are read: a pipe holds nothing.
func send(c net.Conn, text string) { go func() { _, _ = io.WriteString(c, text) }() }

func (r *laneRig) get(path string, headers ...string) string {
	return "GET /api/v1" + path + " HTTP/1.1\r\nHost: hq\r\nAuthorization: Bearer " + r.token + "\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
}

// answered reads one answer and returns its status and body.
func (r *laneRig) answered(in *bufio.Reader) (*http.Response, string) {
	r.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		r.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp, string(body)
}

// ended reports how long it takes until the other side ends the connection.
func (r *laneRig) ended(in io.Reader) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, in)
	return time.Since(began)
}

// TestLaneAnswersAsNetHTTP sends the same to both, several requests in one piece, and what is odd in every way:
// the answers are the same but for what is of the moment, in the same order, and so is what comes of the connection.
func TestLaneAnswersAsNetHTTP(t *testing.T) {
	texts := map[string]func(r *laneRig) string{
		"pages": func(r *laneRig) string {
			return r.get("/hosts?limit=2") + r.get("/hosts?limit=1&sort=-name") + r.get("/sites")
		},
		"counts": func(r *laneRig) string { return r.get("/hosts/facets?fields=status") + r.get("/hosts/facets?fields=") },
		"refused": func(r *laneRig) string {
			return r.get("/hosts?limit=0") + r.get("/hosts?nothing=1") + r.get("/hosts?q=(")
		},
		"a bad escape":    func(r *laneRig) string { return r.get("/hosts?q=%zz") + r.get("/hosts") },
		"no login":        func(*laneRig) string { return plainOne + plainOne },
		"lane and others": func(r *laneRig) string { return r.get("/hosts") + r.get("/node") + r.get("/hosts") + r.get("/nothing") },
		"a body behind": func(r *laneRig) string {
			return r.get("/hosts") + "POST /api/v1/login HTTP/1.1\r\nHost: hq\r\nContent-Length: 2\r\n\r\n{}" + r.get("/hosts")
		},
		"other headers": func(r *laneRig) string { return r.get("/hosts", "X-Other: 1") + r.get("/hosts") },
		"another origin": func(r *laneRig) string {
			return r.get("/hosts", "Origin: https://elsewhere", "Sec-Fetch-Site: cross-site")
		},
		"the last":         func(r *laneRig) string { return r.get("/hosts", "Connection: close") + r.get("/hosts") },
		"hidden in a body": func(r *laneRig) string { return r.get("/hosts", "Content-Length: 9") + "GET /x HT" + r.get("/hosts") },
		"both lengths": func(r *laneRig) string {
			return r.get("/hosts", "Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n" + r.get("/hosts")
		},
		"nothing of HTTP": func(*laneRig) string { return "\x16\x03\x01 hello\r\n\r\n" },
		"a long head": func(r *laneRig) string {
			return r.get("/hosts", "Cookie: "+strings.Repeat("x", maxLaneHead)) + r.get("/hosts")
		},
	}
	for name, head := range oddHeads {
		if name == "HEAD" {
			continue // lasting cannot know that its answer has no body
		}
		texts["odd: "+name] = func(*laneRig) string { return head + plainOne }
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			var both [2]string
			for i, lanes := range []bool{false, true} {
				inLane(t, lanes, func(r *laneRig) {
					c := r.dial()
					send(c, text(r))
					_ = c.SetReadDeadline(time.Now().Add(time.Second))
					all, err := io.ReadAll(c)
					if err != nil && !errors.Is(err, io.EOF) && !isTimeout(err) {
						t.Logf("lanes %v: %v", lanes, err)
					}
					both[i] = lasting(all) + ending(err)
				})
			}
			if both[0] != both[1] {
				t.Errorf("net/http answers\n%s\nand the lane\n%s", both[0], both[1])
			}
		})
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func ending(err error) string {
	if isTimeout(err) {
		return "\n(open)"
	}
	return "\n(closed)"
}

// momentary is what differs from one answer to the next of the same question.
var momentary = regexp.MustCompile(`"took_us":\d+|under request \w+|'nonce-[^']*'|nonce="[^"]*"`)

// lasting is answers without what is of the moment. The order of headers says nothing.
func lasting(text []byte) string {
	var out strings.Builder
	in := bufio.NewReader(bytes.NewReader(text))
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			rest, _ := io.ReadAll(in)
			return momentary.ReplaceAllString(out.String(), "-") + string(rest)
		}
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.ContentLength >= 0 && resp.ContentLength != int64(len(body)) {
			err = errors.New("another length than was said")
		}
		for _, name := range []string{"Date", "X-Request-Id", "Content-Length"} {
			resp.Header.Del(name)
		}
		fmt.Fprintf(&out, "%s %s\n", resp.Proto, resp.Status)
		_ = resp.Header.Write(&out)
		fmt.Fprintf(&out, "close %v, %v\n%s\n", resp.Close, err, body)
	}
}

// TestLaneGivesUpOnWhoIsSilent: each wait has its end.
func TestLaneGivesUpOnWhoIsSilent(t *testing.T) {
	for name, c := range map[string]struct {
		begin string
		whole bool // an answer comes first
		want  time.Duration
	}{
		"nothing":        {"", false, headTime},
		"half a head":    {plainOne[:60], false, headTime},
		"half a line":    {plainOne[:7], false, headTime},
		"between two":    {plainOne, true, idleTime},
		"half the next":  {plainOne + plainOne[:60], true, headTime},
		"another's head": {"POST /api/v1/x HTTP/1.1\r\nHost: hq\r\n", false, headTime},
	} {
		t.Run(name, func(t *testing.T) {
			inLane(t, true, func(r *laneRig) {
				conn := r.dial()
				in := bufio.NewReader(conn)
				send(conn, c.begin)
				if c.whole {
					if resp, _ := r.answered(in); resp.StatusCode != http.StatusUnauthorized {
						t.Errorf("status %d", resp.StatusCode)
					}
				}
				if took := r.ended(in); took < c.want || took > c.want+6*time.Second {
					t.Errorf("ended after %s, want %s", took, c.want)
				}
			})
		})
	}
}

// TestLaneTrickle: a head that comes byte by byte has the time of one head in all, and one that is in time is answered.
func TestLaneTrickle(t *testing.T) {
	for _, c := range []struct {
		pause time.Duration
		ok    bool
	}{{50 * time.Millisecond, true}, {time.Second, false}} {
		inLane(t, true, func(r *laneRig) {
			conn := r.dial()
			var writing sync.WaitGroup
			writing.Go(func() {
				for i := range plainOne {
					if _, err := io.WriteString(conn, plainOne[i:i+1]); err != nil {
						return
					}
					<-time.After(c.pause) // the pace of the other side
				}
			})
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			_, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if (err == nil) != c.ok || isTimeout(err) {
				t.Errorf("a byte each %s: %v", c.pause, err)
			}
			_ = conn.NetConn().Close()
			writing.Wait()
		})
	}
}

// TestLaneWaitsForNoReader: who asks and does not take the answer is cut off.
func TestLaneWaitsForNoReader(t *testing.T) {
	inLane(t, true, func(r *laneRig) {
		conn := r.dial()
		if _, err := io.WriteString(conn, r.get("/hosts")); err != nil {
			t.Fatal(err)
		}
		<-time.After(ordinary + 10*time.Second)
		synctest.Wait()
		if n, err := conn.NetConn().Write(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes went to a connection that should be closed", n)
		}
	})
}

// TestLaneAnswersWhoSendsNoMore: the other side may close its own half behind its requests.
func TestLaneAnswersWhoSendsNoMore(t *testing.T) {
	inLane(t, true, func(r *laneRig) {
		conn := r.dial()
		go func() {
			_, _ = io.WriteString(conn, r.get("/hosts")+r.get("/sites"))
			_ = conn.CloseWrite()
		}()
		in := bufio.NewReader(conn)
		for range 2 {
			if resp, _ := r.answered(in); resp.StatusCode != http.StatusOK {
				t.Errorf("status %d", resp.StatusCode)
			}
		}
		if took := r.ended(in); took > time.Second {
			t.Errorf("ended %s later", took)
		}
	})
}

// TestLaneStops: at the end, who is idle is let go at once, and who waits for an answer gets it: it is found within
// the grace, or given up.
func TestLaneStops(t *testing.T) {
	for name, slow := range map[string]time.Duration{"in time": budget / 2, "too late": 20 * graceTime} {
		t.Run(name, func(t *testing.T) {
			inLane(t, true, func(r *laneRig) {
				idle, busy, fresh := r.dial(), r.dial(), r.dial()
				in := bufio.NewReader(idle)
				send(idle, r.get("/hosts"))
				r.answered(in)
				r.mem.slow = make(chan struct{})
				waiting := time.AfterFunc(slow, func() { close(r.mem.slow) })
				defer waiting.Stop()
				send(busy, r.get("/hosts"))
				synctest.Wait()
				r.stop()
				if took := r.ended(in); took > 0 {
					t.Errorf("who was idle was let go after %s", took)
				}
				if took := r.ended(fresh); took > 0 {
					t.Errorf("who had not asked yet was let go after %s", took)
				}
				want := http.StatusOK
				if slow > budget {
					want = http.StatusServiceUnavailable
				}
				in = bufio.NewReader(busy)
				if resp, _ := r.answered(in); resp.StatusCode != want {
					t.Errorf("an answer that takes %s: status %d, want %d", slow, resp.StatusCode, want)
				}
				if took := r.ended(in); took > 0 {
					t.Errorf("who was answered was let go after %s", took)
				}
			})
		})
	}
}

// broken panics where it is asked.
type broken struct {
	Directory
	with any
}

func (b broken) FindWritten(context.Context, query.Search, query.Writer, *query.Written) error {
	panic(b.with)
}

// TestLaneOutlivesPanics: a request that breaks is answered so, one that breaks off has no answer at all, and the
// server goes on.
func TestLaneOutlivesPanics(t *testing.T) {
	for _, with := range []any{"odd", http.ErrAbortHandler} {
		inLane(t, true, func(r *laneRig) {
			r.server.c.Directory = broken{r.mem, with}
			conn := r.dial()
			send(conn, r.get("/hosts"))
			in := bufio.NewReader(conn)
			if with == any(http.ErrAbortHandler) {
				if all, _ := io.ReadAll(in); len(all) > 0 {
					t.Errorf("an answer that was broken off is %q", all)
				}
			} else if resp, body := r.answered(in); resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "broke") {
				t.Errorf("status %d, %s", resp.StatusCode, body)
			}
			r.server.c.Directory = r.mem
			again := r.dial()
			send(again, r.get("/hosts"))
			if resp, _ := r.answered(bufio.NewReader(again)); resp.StatusCode != http.StatusOK {
				t.Errorf("afterwards: status %d", resp.StatusCode)
			}
		})
	}
}

// TestLaneForgetsNothingBetweenRequests: an answer has nothing of the one before it, and a login is that of its own
// request.
func TestLaneForgetsNothingBetweenRequests(t *testing.T) {
	inLane(t, true, func(r *laneRig) {
		conn := r.dial()
		in := bufio.NewReader(conn)
		ask := func(text string) (*http.Response, string) {
			send(conn, text)
			return r.answered(in)
		}
		refused, _ := ask(plainOne)
		if refused.StatusCode != http.StatusUnauthorized || refused.Header.Get("Www-Authenticate") == "" {
			t.Errorf("without a login: %d %v", refused.StatusCode, refused.Header)
		}
		page, body := ask(r.get("/hosts?limit=1"))
		if page.StatusCode != http.StatusOK || page.Header.Get("Www-Authenticate") != "" || !strings.HasPrefix(body, `{"hosts":[{"id":`) {
			t.Errorf("with one: %d %v %s", page.StatusCode, page.Header, body)
		}
		again, other := ask(r.get("/hosts?limit=1&sort=-name"))
		if again.StatusCode != http.StatusOK || other == body || again.Header.Get("X-Request-Id") == page.Header.Get("X-Request-Id") {
			t.Errorf("the same headers and another page: %d %s", again.StatusCode, other)
		}
		if out, _ := ask(strings.Replace(r.get("/hosts?limit=1"), r.token, r.token[1:]+"x", 1)); out.StatusCode != http.StatusUnauthorized {
			t.Errorf("another login: %d", out.StatusCode)
		}
	})
}

// pieces counts what is written between Hold and Release.
type pieces struct {
	net.Conn
	held  bool
	holds int
}

func (p *pieces) Hold()          { p.held, p.holds = true, p.holds+1 }
func (p *pieces) Release() error { p.held = false; return nil }

// TestLaneHoldsWhatIsLong: an answer of more than a record is held back until it is whole, a short one is not.
func TestLaneHoldsWhatIsLong(t *testing.T) {
	mine, other := net.Pipe()
	defer mine.Close()
	got := make(chan int)
	go func() {
		n, _ := io.Copy(io.Discard, other)
		got <- int(n)
	}()
	p := &pieces{Conn: mine}
	w := laneWriter{conn: p, gather: p}
	if !w.write(make([]byte, maxRecord)) || p.holds != 0 || !w.write(bytes.Repeat([]byte("x"), 3*maxRecord)) || p.holds != 1 || p.held {
		t.Errorf("held %d times, held now %v", p.holds, p.held)
	}
	_ = mine.Close()
	if n := <-got; n != 4*maxRecord {
		t.Errorf("%d bytes came", n)
	}
}
