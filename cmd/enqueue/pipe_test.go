package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A command that waits for a named pipe, which nobody opens or into which nobody writes, ends on the first
// Ctrl-C.
func TestACommandThatWaitsForAPipeEndsOnTheFirstInterrupt(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "enqueue") // by this name TestMain runs the program
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := errors.Join(os.Symlink(self, program), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, written := range []bool{false, true} {
		for _, args := range [][]string{{"issue", pipe}, {"refund", pipe}, {"bulk", pipe}, {"bulk", "--dry-run", pipe}, {"cancel", "--file", pipe, "--reason", "x", "--by", "angela"}} {
			if written {
				w, err := os.OpenFile(pipe, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
			}
			interruptOnce(t, program, args)
		}
	}
}

// interruptOnce runs the program and interrupts it once. Before the program has asked for the signal, it ends
// by the signal itself; then there was nothing to see, and it is run again and given more time.
func interruptOnce(t *testing.T, program string, args []string) {
	t.Helper()
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		var out bytes.Buffer
		cmd := exec.Command(program, args...)
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.Env = append(os.Environ(), "REDIS_URL=redis://127.0.0.1:1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			t.Fatalf("%v ends by itself: %v\n%s", args, err, out.String())
		case <-time.After(wait):
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			t.Fatalf("%v does not end on an interrupt", args)
		}
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if early := ok && status.Signaled(); early && wait < 10*time.Second {
			continue
		}
		if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(out.String(), "interrupted") {
			t.Errorf("%v: %v\n%s", args, cmd.ProcessState, out.String())
		}
		return
	}
}
