package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asProgram is the variable that makes the test's own binary the worker.
const asProgram = "ISSUANCE_TEST_AS_WORKER"

// The sandbox's file of the machine's user is kept out of the tests.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	if err := flag.Set("test.parallel", "6"); err != nil { // they wait for jobs of the sandbox, most of the time
		panic(err)
	}
	dir, err := os.MkdirTemp("", "worker-test")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"XDG_CACHE_HOME", "HOME"} {
		if err := os.Setenv(name, dir); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// process is a worker that runs inside the test.
type process struct {
	t        *testing.T
	out, err *output
	cancel   context.CancelFunc
	done     chan struct{}
	code     int
}

// start runs a worker with only the given environment. It is stopped with the test.
func start(t *testing.T, env map[string]string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, out: newOutput(), err: newOutput(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.code = run(ctx, args, env, p.out, p.err)
	}()
	t.Cleanup(func() { p.stop() })
	return p
}

// stop asks the worker to end and returns its exit code.
func (p *process) stop() int {
	p.cancel()
	return p.wait()
}

// wait returns the exit code once the worker has ended.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("the worker does not end\nstdout:\n%s\nstderr:\n%s", p.out, p.err)
	}
	return p.code
}

// sees waits until a pattern appears in an output and returns its submatches.
func (p *process) sees(o *output, pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(patience)
	for {
		text, more := o.snapshot()
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-more:
		case <-p.done:
			if m := re.FindStringSubmatch(o.String()); m != nil {
				return m
			}
			p.t.Fatalf("the worker ended (%d) without %q\nstdout:\n%s\nstderr:\n%s", p.code, pattern, p.out, p.err)
		case <-limit:
			p.t.Fatalf("%q does not come\nstdout:\n%s\nstderr:\n%s", pattern, p.out, p.err)
		}
	}
}

// output is a writer that can be watched.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.buf.Write(b)
}

func (o *output) snapshot() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String(), o.more
}

func (o *output) String() string { s, _ := o.snapshot(); return s }

// toys are the arguments of a sandbox that takes no usual port.
func toys(more ...string) []string {
	return append([]string{"--sandbox", "--sandbox-ecticket-addr", "127.0.0.1:0", "--sandbox-pass2u-addr", "127.0.0.1:0",
		"--http-addr", "127.0.0.1:0", "--sandbox-job-every", "1s"}, more...)
}

// hasty is an environment in which a sandbox need not wait for call budgets.
func hasty(redisURL string) map[string]string {
	return map[string]string{"REDIS_URL": redisURL, "ECTICKET_CALLS_PER_SECOND": "100", "PASS2U_CALLS_PER_SECOND": "100", "POLL_INTERVAL": "1s"}
}

// The first signal ends the context, the second ends the process at once.
func TestSecondSignal(t *testing.T) {
	signals := make(chan os.Signal, 2)
	now := make(chan struct{})
	ctx := untilSignal(context.Background(), signals, func() { close(now) })
	if ctx.Err() != nil {
		t.Fatal("stopped without a signal")
	}
	signals <- syscall.SIGTERM
	<-ctx.Done()
	if why := context.Cause(ctx).Error(); why != "terminated signal received" {
		t.Errorf("it ended because of %q", why)
	}
	select {
	case <-now:
		t.Fatal("one signal already ended the process at once")
	default:
	}
	signals <- syscall.SIGTERM
	<-now
}

// The environment is split at the first "=".
func TestEnvironment(t *testing.T) {
	env := environment([]string{"A=b=c", "EMPTY=", "odd"})
	if env["A"] != "b=c" || len(env) != 2 {
		t.Fatal(env)
	}
}

// no fails the test when a text holds any of these.
func no(t *testing.T, what, text string, canaries ...string) {
	t.Helper()
	for _, c := range canaries {
		if strings.Contains(text, c) {
			t.Errorf("%s shows %q:\n%s", what, c, text)
		}
	}
}
