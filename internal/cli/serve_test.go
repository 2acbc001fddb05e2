package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/internal/announce"
	"issuance/internal/cli"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
)

// until is an output that does something when a text has been written to it.
type until struct {
	hook
	text string
	do   func()
}

func (u *until) Write(p []byte) (int, error) {
	n, err := u.hook.Write(p)
	if bytes.Contains(p, []byte(u.text)) {
		u.do()
	}
	return n, err
}

// served is what enqueue serve logs until it serves.
func served(t *testing.T, env map[string]string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &until{text: `"msg":"serving"`, do: stop}
	env = maps.Clone(env)
	env["GATEWAY_HTTP_ADDR"], env["LOG_FORMAT"] = "127.0.0.1:0", "json"
	if code := cli.Run(ctx, []string{"serve"}, env, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: log}); code != 0 {
		t.Errorf("enqueue serve: %d\n%s", code, log)
	}
	return log.String()
}

// Whoever looks at the log of a front door that has ended sees why.
func TestServeSaysWhyItEnds(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	log := &until{text: `"msg":"serving"`, do: func() { stop(errors.New("terminated signal received")) }}
	env := maps.Clone(environment(testredis.Mini(t)))
	env["GATEWAY_HTTP_ADDR"], env["LOG_FORMAT"] = "127.0.0.1:0", "json"
	if code := cli.Run(ctx, []string{"serve"}, env, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: log}); code != 0 {
		t.Errorf("enqueue serve: %d\n%s", code, log)
	}
	if !strings.Contains(log.String(), `"msg":"stopping: requests end first","because":"terminated signal received"`) || !strings.Contains(log.String(), `"msg":"stopped"`) {
		t.Errorf("%s", log)
	}
}

// A front door that is started before its Redis lives, is not ready, and serves once Redis is there; the same address answers
// all the time.
func TestServeWaitsForARedisThatIsAway(t *testing.T) {
	s := testredis.Start(t)
	s.Kill()
	ended, log := startServing(t, s.Addr)
	url := "http://" + log.find(`"addr":"([^"]+)"`)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/v1/orders/ecticket/A1": 503, "/metrics": 503} {
		res := getFrom(t, url+path)
		if res.StatusCode != want || want == 503 && (res.Header.Get("Retry-After") == "" || res.Header.Get("X-Request-Id") == "") {
			t.Errorf("%s: %d, %v", path, res.StatusCode, res.Header)
		}
	}
	s.Restart()
	log.find(`"msg":"serving"`)
	if res := getFrom(t, url+"/readyz"); res.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %d", res.StatusCode)
	}
	if code := ended(); code != 0 {
		t.Errorf("it ends with %d: %s", code, log)
	}
}

// What does not mend itself is not waited for, also when it shows later.
func TestServeEndsWhereRedisRefusesIt(t *testing.T) {
	at, come := later(t, func(c net.Conn) {
		for lines := bufio.NewScanner(c); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "*") {
				fmt.Fprint(c, "-WRONGPASS invalid username-password pair or user is disabled.\r\n")
			}
		}
	})
	ended, log := startServing(t, at)
	log.find(`"msg":"not ready, waiting"`)
	come()
	log.find("check USER:PASSWORD in REDIS_URL")
	if code := ended(); code != 2 && code != 1 {
		t.Errorf("it ends with %d: %s", code, log)
	}
}

// later is an address at which something answers once come is called.
func later(t *testing.T, answer func(net.Conn)) (at string, come func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	at = l.Addr().String()
	must(t, l.Close())
	return at, func() {
		l, err := net.Listen("tcp", at)
		must(t, err)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				go func() { defer c.Close(); answer(c) }()
			}
		}()
	}
}

// startServing starts enqueue serve over a Redis that is away. ended stops it and returns its exit code.
func startServing(t *testing.T, redisAt string) (ended func() int, log *lines) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	log = &lines{t: t, wrote: make(chan struct{}, 1)}
	env := map[string]string{"REDIS_URL": "redis://" + redisAt, "ISSUANCE_SEAL_KEYS": "c2NyaXB0cyBvbmx5OiAzMiBieXRlcyBmb3IgdGVzdHM=", "GATEWAY_HTTP_ADDR": "127.0.0.1:0", "LOG_FORMAT": "json"}
	code := make(chan int, 1)
	go func() {
		code <- cli.Run(ctx, []string{"serve"}, env, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: log})
	}()
	t.Cleanup(stop)
	return func() int { stop(); return <-code }, log
}

// lines are an output that a test waits for.
type lines struct {
	t     *testing.T
	mu    sync.Mutex
	b     bytes.Buffer
	wrote chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// find waits until the output holds a pattern, and returns its last group.
func (l *lines) find(pattern string) string {
	l.t.Helper()
	late := time.After(20 * time.Second)
	for {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(l.String()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-l.wrote:
		case <-late:
			l.t.Fatalf("no %s in %s", pattern, l)
		}
	}
}

func getFrom(t *testing.T, url string) *http.Response {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	must(t, err)
	must(t, res.Body.Close())
	return res
}

// A front door that is open because of a typing error, or takes no order because of its keys, says so at its start.
func TestServeWarnsOfAnOpenDoorAndOfWrongKeys(t *testing.T) {
	s := testredis.Start(t)
	must(t, redisconn.Mark(t.Context(), s.Client(), redisconn.Production))
	env := environment(s)
	env["GATEWAY_TOKEN_FILE"] = "/secret/tokens.yaml"
	log := served(t, env)
	for _, want := range []string{`"level":"WARN"`, "GATEWAY_TOKEN_FILE is not a variable of this program; did you mean GATEWAY_TOKENS_FILE?", "no tokens", "may do everything"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	if strings.Contains(log, "/secret/") || strings.Contains(log, "nothing can be enqueued") {
		t.Errorf("%s", log)
	}
	must(t, announce.SealKeys(t.Context(), s.Client(), []string{"another"}))
	if log := served(t, env); !strings.Contains(log, "nothing can be enqueued") || !strings.Contains(log, "ISSUANCE_SEAL_KEYS") {
		t.Errorf("wrong keys are not warned of: %s", log)
	}
}
