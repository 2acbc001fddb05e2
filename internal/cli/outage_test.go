package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/internal/cli"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks"
)

const sealKey = "c2NyaXB0cyBvbmx5OiAzMiBieXRlcyBmb3IgdGVzdHM="

func environment(s *testredis.Server) map[string]string {
	return map[string]string{"REDIS_URL": s.URL(), "ISSUANCE_SEAL_KEYS": sealKey}
}

// documents are n Pass2U orders, one a line.
func documents(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"provider":"pass2u","request":{"channelOrderId":"N%04d","productSaleId":"S1","quantity":1,"pickupType":"order"}}`+"\n", i)
	}
	return b.String()
}

// hook is an output that does something when the first line is written to it.
type hook struct {
	mu    sync.Mutex
	text  bytes.Buffer
	first func()
}

func (h *hook) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first != nil {
		h.first()
		h.first = nil
	}
	return h.text.Write(p)
}

func (h *hook) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

func TestManyDocumentsAreEnqueuedInTheirOrder(t *testing.T) {
	s := testredis.Start(t)
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), []string{"issue", "--lane", "bulk", "-"}, environment(s), cli.Streams{In: strings.NewReader(documents(300)), Out: &out, Err: &errs})
	const alone = "enqueue: no worker has announced itself yet, so neither the account nor the seal keys can be checked\n"
	if code != cli.Fine || errs.String() != alone {
		t.Fatalf("exit code %d, %s", code, errs.String())
	}
	var want strings.Builder
	for i := range 300 {
		fmt.Fprintf(&want, "pass2u:main  N%04d  queued\n", i)
	}
	if out.String() != want.String() {
		t.Errorf("receipts are not in the order of the input:\n%.400s", out.String())
	}
	n, err := s.Client().LLen(t.Context(), "asynq:{"+queue.Name(providers.Pass2U, tasks.Bulk)+"}:pending").Result()
	if err != nil || n != 300 {
		t.Errorf("the queue holds %d tasks (%v), want 300", n, err)
	}
}

func TestARedisThatGoesAwayStopsABatchAndTheRestCanFollow(t *testing.T) {
	s := testredis.StartDurable(t)
	out := &hook{first: s.Kill}
	var errs bytes.Buffer
	code := cli.Run(t.Context(), []string{"issue", "-"}, environment(s), cli.Streams{In: strings.NewReader(documents(200)), Out: out, Err: &errs})
	if code != cli.Unreachable || !strings.Contains(errs.String(), "stopped: Redis does not answer; ") {
		t.Fatalf("exit code %d, %s", code, errs.String())
	}
	enqueued := strings.Count(out.String(), "  queued\n")
	if failed := strings.Count(errs.String(), "enqueue: line "); enqueued == 200 || failed == 0 || failed > 16 {
		t.Errorf("%d enqueued, %d reported as failed; a few were to be tried after Redis had gone", enqueued, failed)
	}

	s.Restart()
	var again bytes.Buffer
	errs.Reset()
	code = cli.Run(t.Context(), []string{"issue", "-"}, environment(s), cli.Streams{In: strings.NewReader(documents(200)), Out: &again, Err: &errs})
	if known := strings.Count(again.String(), "(was there already)"); code != cli.Fine || known < enqueued || strings.Count(again.String(), "  queued") != 200 {
		t.Errorf("the second run: exit code %d, %d known already of at least %d: %s", code, known, enqueued, errs.String())
	}
}

func TestWaitingOutlivesARestartOfRedis(t *testing.T) {
	s := testredis.StartDurable(t)
	l := ledger.New(s.Client(), ledger.Options{})
	enqueued := make(chan struct{})
	out := &hook{first: func() { close(enqueued) }}
	var errs bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(t.Context(), []string{"issue", "--wait", "--timeout", "1m", "-"}, environment(s),
			cli.Streams{In: strings.NewReader(documents(1)), Out: out, Err: &errs})
	}()
	<-enqueued
	s.Restart()
	issue(t, l, "N0000")
	if code := <-done; code != cli.Fine || !strings.Contains(out.String(), "pass2u:main/N0000  issued") {
		t.Errorf("exit code %d: %s%s", code, out.String(), errs.String())
	}
}

// issue takes an order through the ledger as a worker would.
func issue(t *testing.T, l *ledger.Ledger, id string) {
	t.Helper()
	r := tasks.Ref{Account: tasks.Account{Provider: providers.Pass2U, Merchant: "main"}, OrderID: id}
	c, err := l.Claim(t.Context(), r, "w", time.Minute)
	if err != nil || c.Record == nil {
		t.Fatalf("claim: %+v, %v", c, err)
	}
	if a, _, err := l.Submit(t.Context(), r, c.Record.Fence, ledger.Intent{Host: "h", Lease: time.Minute, Ticket: -1}); err != nil || !a.Applied {
		t.Fatalf("submit: %+v, %v", a, err)
	}
	if a, err := l.Finish(t.Context(), r, c.Record.Fence, ledger.Ending{State: tasks.Issued}); err != nil || !a.Applied {
		t.Fatalf("finish: %+v, %v", a, err)
	}
}

func TestAnInterruptedCommandSaysThatTheOrdersGoOn(t *testing.T) {
	s := testredis.Start(t)
	ctx, interrupt := context.WithCancel(t.Context())
	var errs bytes.Buffer
	code := cli.Run(ctx, []string{"issue", "--wait", "-"}, environment(s),
		cli.Streams{In: strings.NewReader(documents(1)), Out: &hook{first: interrupt}, Err: &errs})
	if code != cli.CouldNot || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	errs.Reset()
	ctx, interrupt = context.WithCancel(t.Context())
	code = cli.Run(ctx, []string{"watch", "pass2u", "N0000"}, environment(s), cli.Streams{Out: &hook{first: interrupt}, Err: &errs})
	if code != cli.CouldNot || !strings.HasSuffix(errs.String(), "enqueue: interrupted\n") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAnOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	s := testredis.Start(t)
	for _, args := range []string{"issue -", "issue --json -", "issue --wait -", "status pass2u N0000", "status pass2u N0000 --json",
		"history pass2u N0000", "history pass2u N0000 --json", "watch pass2u N0000", "watch pass2u N0000 --json", "version"} {
		var errs bytes.Buffer
		code := cli.Run(t.Context(), strings.Fields(args), environment(s), cli.Streams{In: strings.NewReader(documents(1)), Out: closed{}, Err: &errs})
		if code != cli.CouldNot || !strings.Contains(errs.String(), "the output cannot be written: broken pipe") {
			t.Errorf("%s: exit code %d: %s", args, code, errs.String())
		}
	}
}

func TestTheEnvironmentOfTheProcessIsNotLookedAt(t *testing.T) {
	s := testredis.Start(t)
	t.Setenv("REDIS_URL", "redis://127.0.0.1:1")
	t.Setenv("ISSUANCE_SEAL_KEYS", "x")
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), []string{"issue", "-"}, environment(s), cli.Streams{In: strings.NewReader(documents(1)), Out: &out, Err: &errs}); code != cli.Fine {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
