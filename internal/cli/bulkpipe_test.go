package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"issuance/internal/testredis"
)

func newPipe(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skipf("no named pipes here: %v", err)
	}
	return name
}

// eventually waits until so many orders are in the queue.
func (d *desk) eventually(t *testing.T, n int64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); d.queued() != n; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%d orders are enqueued, want %d", d.queued(), n)
		}
	}
}

// Lines of a pipe are enqueued as they come, and an interruption ends a bulk that waits for more.
func TestABulkOfAPipeEnqueuesAsLinesComeAndIsInterrupted(t *testing.T) {
	for _, named := range []bool{true, false} {
		d := deskAt(t, testredis.Mini(t))
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		name, ended := "-", make(chan string, 1)
		var in io.Reader
		var out io.WriteCloser
		if named {
			name = newPipe(t)
		} else {
			in, out = io.Pipe()
		}
		go func() {
			code, stdout, stderr := d.run(ctx, in, "bulk", name, "--json")
			ended <- fmt.Sprintf("exit code %d\n%s%s", code, stdout, stderr)
		}()
		if named {
			var err error
			if out, err = os.OpenFile(name, os.O_WRONLY, 0); err != nil {
				t.Fatal(err)
			}
		}
		defer out.Close()
		for i, text := range []string{bulkHeader + bulkRow(1), bulkRow(2) + "B000003,S1", ",1,voucher\n" + "B000004"} {
			if _, err := io.WriteString(out, text); err != nil {
				t.Fatal(err)
			}
			d.eventually(t, int64(i+1))
		}
		interrupt()
		select {
		case text := <-ended:
			if !strings.HasPrefix(text, "exit code 1\n") || !strings.Contains(text, `"lines":3,"enqueued":3,`) || !strings.Contains(text, "interrupted") {
				t.Errorf("%s: %s", name, text)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: an interruption does not end it", name)
		}
	}
}

// A pipe that nobody writes into is not waited for after an interruption either.
func TestABulkOfAPipeThatNobodyOpensIsInterrupted(t *testing.T) {
	d := deskAt(t, testredis.Mini(t))
	for _, args := range [][]string{{"bulk", newPipe(t)}, {"bulk", "-", "--rejects", newPipe(t)}} {
		ctx, interrupt := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer interrupt()
		code, out, text := d.run(ctx, strings.NewReader(bulkHeader+bulkRow(1)), args...)
		if code != CouldNot || out != "" || d.queued() != 0 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, text)
		}
	}
}
