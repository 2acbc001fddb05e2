package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"issuance/internal/testredis"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

// When nobody reads its log any more (worker | head -1), the worker is not killed: calls that are under way end
// and are recorded, then it ends by itself, with an exit code that has it started again.
func TestALogThatNobodyReadsEndsTheWorkerInOrder(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	o := newOutside(t, s.URL())
	client := o.client(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	hold, reached := make(chan struct{}), make(chan struct{}, 1)
	o.ecticket.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
		if c.Op == ecticketsim.OpIssue && c.OrderID == "E1" {
			reached <- struct{}{}
			return ecticketsim.Fault{HoldAfter: hold}
		}
		return ecticketsim.Fault{}
	})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asProgram+"=1")
	for name, value := range o.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	lines := bufio.NewScanner(read)
	for lines.Scan() && !strings.Contains(lines.Text(), `"msg":"serving"`) {
	}
	if _, err := client.Enqueue(ctx, ecticketOrder("E1")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reached:
	case <-ctx.Done():
		t.Fatal("no call is made")
	}
	_ = read.Close()
	// Another order's lines are the first that nobody reads.
	if _, err := client.Enqueue(ctx, pass2uOrder("P1")); err != nil {
		t.Fatal(err)
	}
	if st, err := client.Wait(ctx, pass2uAccount, "P1"); err != nil || st.State != order.Issued {
		t.Fatalf("%+v %v", st, err)
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended while a call was under way: %v", err)
	default:
	}
	close(hold)
	select {
	case err := <-ended:
		if code := cmd.ProcessState.ExitCode(); code != exitFailed { // -1 for a signal
			t.Errorf("exit code %d (%v)", code, err)
		}
	case <-time.After(patience):
		t.Fatalf("it does not end")
	}
	st, err := client.Status(ctx, ecticketAccount, "E1")
	if err != nil || st.State != order.Accepted || st.Attempts != 1 {
		t.Errorf("the call that was under way is recorded as %+v %v", st, err)
	}
}
