package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Child is another process of this program that reads what to do as JSON lines from its standard
// input and answers each on its standard output. It ends when its input does.
type Child struct {
	cmd  *exec.Cmd
	done <-chan struct{}
	in   io.WriteCloser
	enc  *json.Encoder
	dec  *json.Decoder
}

// ChildCommand is the first argument of a child process; what it is to be follows.
const ChildCommand = "child"

// StartChild starts this program again as a child process.
func StartChild(args ...string) (*Child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return StartProgram(exe, append([]string{ChildCommand}, args...)...)
}

// StartProgram starts another program as a child process.
func StartProgram(program string, args ...string) (*Child, error) {
	c := &Child{cmd: exec.Command(program, args...)}
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.done, err = launch(c.cmd); err != nil {
		return nil, err
	}
	c.enc, c.dec = json.NewEncoder(c.in), json.NewDecoder(out)
	return c, nil
}

// Ask sends a question and reads the answer.
func (c *Child) Ask(question, answer any) error {
	if err := c.enc.Encode(question); err != nil {
		return fmt.Errorf("child process: %w", err)
	}
	if err := c.dec.Decode(answer); err != nil {
		return fmt.Errorf("child process: %w; see what it said above", err)
	}
	return nil
}

// Close ends the child.
func (c *Child) Close() {
	_ = c.in.Close()
	end := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	<-c.done
	end.Stop()
}

// Serve answers the parent's questions until there are no more; it is a child's whole life.
func Serve[Q, A any](in io.Reader, out io.Writer, answer func(Q) (A, error)) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Q
		if err := dec.Decode(&q); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		a, err := answer(q)
		if err != nil {
			return err
		}
		if err := enc.Encode(a); err != nil {
			return err
		}
	}
}

// launch starts a command that ends with this process; done is closed when it has ended.
func launch(c *exec.Cmd) (done <-chan struct{}, err error) {
	endWithParent(c)
	ended, started := make(chan struct{}), make(chan error, 1)
	go func() {
		// The kernel ties "ends with the parent" to the thread that forked: it has to live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait()
		}
	}()
	return ended, <-started
}
