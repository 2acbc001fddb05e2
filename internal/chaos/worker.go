package chaos

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// build builds one of the product's programs, worker or enqueue, into dir. overlay, when not empty, names a file for
// `go build -overlay` (see plant).
func build(dir, program, overlay string) (bin string, err error) {
	bin = filepath.Join(dir, program)
	args := append([]string{"build", "-ldflags=-s -w", "-o", bin}, raceFlags...)
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	if out, err := exec.Command("go", append(args, "issuance/cmd/"+program)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("chaos: build %s: %w\n%s", program, err, out)
	}
	return bin, nil
}

// Worker is one place for a worker or a front door: a process that can be killed and started again.
type Worker struct {
	Name string // worker1, worker2, …, door1, …
	bin  string
	args []string
	env  []string
	log  string // file that takes the output of every process started here

	// stopped is held while the process is stalled (SIGSTOP) or asked to end, which exclude each other.
	stopped sync.Mutex

	mu   sync.Mutex
	proc *process
}

// process is one life of a worker.
type process struct {
	cmd  *exec.Cmd
	from int64         // where its log begins
	done chan struct{} // closed when it has ended
	err  error         // of Wait; read after done
	ours atomic.Bool   // we have ended it
}

// start begins a new life. It does not wait until the worker serves.
func (w *Worker) start() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.proc != nil && !w.proc.ended() {
		return fmt.Errorf("%s runs already", w.Name)
	}
	f, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() // the child has its own
	at, err := f.Seek(0, 2)
	if err != nil {
		return err
	}
	p := &process{cmd: exec.Command(w.bin, w.args...), from: at, done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = w.env, f, f
	dieWithParent(p.cmd)
	started := make(chan error, 1)
	go func() {
		// The kernel ties "die with the parent" to the thread that forked, so that thread has to
		// live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("%s: %w", w.Name, err)
	}
	w.proc = p
	return nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (w *Worker) current() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.proc
}

// running reports whether the process lives, and its id.
func (w *Worker) running() (pid int, ok bool) {
	p := w.current()
	if p == nil || p.ended() {
		return 0, false
	}
	return p.cmd.Process.Pid, true
}

// unforeseen reports how a process ended that nobody here has ended.
func (w *Worker) unforeseen() error {
	p := w.current()
	if p == nil || !p.ended() || p.ours.Load() {
		return nil
	}
	return fmt.Errorf("it ended (%v)", p.err)
}

// kill ends the process at once (SIGKILL) and returns its id, 0 when none ran.
func (w *Worker) kill() int {
	p := w.current()
	if p == nil || p.ended() {
		return 0
	}
	p.ours.Store(true)
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
	return p.cmd.Process.Pid
}

// stop asks the process to end (SIGTERM) and reports how it did.
func (w *Worker) stop(ctx context.Context) error {
	p := w.current()
	if p == nil || p.ended() {
		return nil
	}
	p.ours.Store(true)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s does not end: %w", w.Name, ctx.Err())
	}
}

// ready waits until the process serves and returns the URL of its admin pages, or of the front door.
func (w *Worker) ready(ctx context.Context) (at string, err error) {
	p := w.current()
	if p == nil {
		return "", errors.New("it was never started")
	}
	for {
		if at, err = servingAt(w.log, p.from); err != nil || at != "" {
			return at, err
		}
		select {
		case <-p.done:
			return "", fmt.Errorf("%s ended while starting: %v\n%s", w.Name, p.err, tail(w.log, 2000))
		default:
		}
		if !pause(ctx, 20*time.Millisecond) {
			return "", fmt.Errorf("%s does not serve: %w\n%s", w.Name, ctx.Err(), tail(w.log, 2000))
		}
	}
}

// servingAt finds the log line in which a process says that it serves.
func servingAt(path string, from int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Seek(from, 0); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Msg, Admin, URL string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			return cmp.Or(line.Admin, line.URL), nil
		}
	}
	return "", lines.Err()
}

// crashes finds what no worker's log may hold: panics, and races where they are looked for.
func (w *Worker) crashes() (found []string) {
	text, err := os.ReadFile(w.log)
	if err != nil {
		return []string{err.Error()}
	}
	for line := range strings.Lines(string(text)) {
		for _, mark := range []string{"panic:", "fatal error:", "DATA RACE", "the handler panicked"} {
			if strings.Contains(line, mark) {
				found = append(found, fmt.Sprintf("the log of %s: %s", w.Name, strings.TrimSpace(line)))
			}
		}
	}
	return found
}

// tail is the end of a file, for error messages.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.ToValidUTF8(string(b[max(0, len(b)-n):]), "")
}
