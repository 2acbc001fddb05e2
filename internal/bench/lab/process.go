package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a command of the product that runs until it is closed, as users run it.
type Process struct {
	cmd    *exec.Cmd
	done   <-chan struct{}
	output string // file of what it prints
}

// Build compiles a command of this module, such as "enqueue", into a folder. It needs go on the PATH.
func Build(ctx context.Context, dir, command string) (path string, err error) {
	path = filepath.Join(dir, command)
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", path, "issuance/cmd/"+command).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build issuance/cmd/%s: %w\n%s", command, err, text)
	}
	return path, nil
}

// StartProcess starts a command, whose environment is env alone and whose output goes to a file.
func StartProcess(path string, args []string, env map[string]string) (*Process, error) {
	out, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &Process{cmd: exec.Command(path, args...), output: out.Name()}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = out, out, []string{}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	if p.done, err = launch(p.cmd); err != nil {
		return nil, err
	}
	return p, nil
}

// Ready waits until ask succeeds.
func (p *Process) Ready(ctx context.Context, ask func() error) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while starting:\n%s", p.cmd.Path, p.Output())
		case <-limit.C:
			return fmt.Errorf("%s does not answer: %w\n%s", p.cmd.Path, err, p.Output())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Output is the end of what the process has printed.
func (p *Process) Output() string {
	b, _ := os.ReadFile(p.output)
	return string(bytes.TrimSpace(b[max(0, len(b)-4096):]))
}

// Memory is the process's resident memory in MiB now, and its peak so far; see Memory.
func (p *Process) Memory() (now, peak float64) { return Memory(p.cmd.Process.Pid) }

// Close asks the process to stop (SIGTERM), and kills it when it takes longer than 20 s.
func (p *Process) Close() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	end := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	<-p.done
	end.Stop()
}

// Memory is a process's resident memory in MiB now (VmRSS), and its peak so far (VmHWM); 0 where the system reports
// neither.
func Memory(pid int) (now, peak float64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmRSS":
			now = kib / 1024
		case "VmHWM":
			peak = kib / 1024
		}
	}
	return now, peak
}
