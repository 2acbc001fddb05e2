package testredis

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startLimit bounds one start, a slow and loaded machine included.
const startLimit = 15 * time.Second

func startReal(t testing.TB, bin string, durable bool) *Server {
	t.Helper()
	return startArgs(t, bin, durable, ownArgs(durable))
}

// ownArgs are the settings of a server without a config file.
func ownArgs(durable bool) []string {
	args := []string{"--save", "", "--maxmemory-policy", "noeviction"}
	if durable {
		return append(args, "--appendonly", "yes", "--appendfsync", "always")
	}
	return append(args, "--appendonly", "no")
}

func startArgs(t testing.TB, bin string, durable bool, args []string) *Server {
	t.Helper()
	return startWith(t, bin, durable, func() []string { return args })
}

// startWith is startArgs with arguments that are made anew for each try.
func startWith(t testing.TB, bin string, durable bool, fresh func() []string) *Server {
	t.Helper()
	dir := t.TempDir()
	var lastErr error
	for range 5 { // another process may take a free port before redis-server does
		args := fresh()
		p, addr, err := launchFree(bin, dir, args)
		if err != nil {
			lastErr = err
			continue
		}
		s := &Server{Addr: addr, Kind: Real, t: t, durable: durable, bin: bin, args: args, dir: dir, proc: p}
		t.Cleanup(s.Kill)
		return s
	}
	t.Fatalf("testredis: start redis-server: %v", lastErr)
	return nil
}

func launchFree(bin, dir string, args []string) (p *process, addr string, err error) {
	if addr, err = freeAddr(); err != nil {
		return nil, "", err
	}
	p, err = launch(bin, addr, dir, args)
	return p, addr, err
}

// freeAddr finds a free port below those that systems give to outgoing connections (from 32768 on), one of which could
// otherwise take the port of a server that is about to be restarted.
func freeAddr() (addr string, err error) {
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))); err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

// process is one running redis-server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and was reaped
}

// launch starts redis-server with args and returns when it answers.
func launch(bin, addr, dir string, args []string) (*process, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	logfile := filepath.Join(dir, "redis.log")
	// Later arguments win, and a config file has to be the first of all.
	args = append(slices.Clone(args), "--bind", host, "--port", port, "--dir", dir, "--logfile", logfile, "--daemonize", "no")
	p := &process{cmd: exec.Command(bin, args...), done: make(chan struct{})}
	var output bytes.Buffer // what it prints before it opens its log file; complete once done is closed
	p.cmd.Stdout, p.cmd.Stderr = &output, &output
	dieWithParent(p.cmd)

	started := make(chan error, 1)
	go func() {
		// The kernel ties "die with the parent" to the thread that forked, so that thread
		// has to live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // always an error: it is killed
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	if err := p.ready(addr); err != nil {
		p.kill()
		tail, _ := os.ReadFile(logfile)
		return nil, fmt.Errorf("%w\n%s%s", err, output.Bytes(), tail)
	}
	return p, nil
}

// ready waits until the Redis that answers on addr is this process.
func (p *process) ready(addr string) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	var err error
	for {
		var pid int
		if pid, err = ask(addr); err == nil {
			if pid != p.cmd.Process.Pid {
				return fmt.Errorf("another Redis answers on %s", addr)
			}
			return nil
		}
		select {
		case <-p.done:
			return errors.New("redis-server ended while starting")
		case <-limit.C:
			return fmt.Errorf("redis-server does not answer on %s: %w", addr, err)
		case <-pause.C:
		}
	}
}

// ask reads the process id of the Redis on addr, without changing anything there.
func ask(addr string) (pid int, err error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return 0, err
	}
	if _, err := c.Write([]byte("INFO server\r\nPING\r\n")); err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if v, ok := strings.CutPrefix(line, "process_id:"); ok {
			pid, err = strconv.Atoi(v)
		}
		if strings.HasPrefix(line, "-") { // -LOADING, -NOAUTH …
			return 0, errors.New(line)
		}
		if line == "+PONG" {
			if pid == 0 && err == nil {
				err = errors.New("no process id in INFO")
			}
			return pid, err
		}
	}
	return 0, errors.Join(errors.New("connection ended"), lines.Err())
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
}
