package door

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"issuance/internal/bench/lab"
	_ "issuance/providers/codecs"
)

// TestMain lets the test binary be its own child process, as the benchmark is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == lab.ChildCommand && os.Args[2] == Name {
		if err := Child(os.Args[3:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// A small scenario keeps the targets that do not depend on the machine: what a request that waits costs, and that
// a replay delivers everything once and in order, beside a slow and a dead endpoint.
func TestTheFrontDoorKeepsItsTargets(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("needs redis-server, did not run")
		return
	}
	ctx, dir := t.Context(), t.TempDir()
	command, err := lab.Build(ctx, dir, "enqueue")
	if err != nil {
		t.Fatal(err)
	}
	redis, err := lab.StartRedis(ctx, lab.InMemory...)
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	const events = 2000
	h, err := OpenHooks(ctx, command, redis, events/2, true)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()

	orders := Load{Requests: 50, Connections: 8, Order: func(n int) (string, []byte) {
		return fmt.Sprintf("L%d", n), []byte(`{"IssueType":"4","Operator":"me","TicketInfo":[{"ItemName":"ticket","TicketPrice":500,"TicketAmount":2}]}`)
	}}
	bare, err := OpenBare(redis.Addr, []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	for url, token := range map[string]string{h.URL(): h.Token, bare.URL: ""} {
		if s, err := orders.Put(ctx, url, token); err != nil || s.PerSecond <= 0 || s.P99 <= 0 {
			t.Errorf("%s: %+v, %v", url, s, err)
		}
	}
	const waiting = 1000
	w, err := h.Wait(ctx, redis.RDB, "L1", waiting)
	if err != nil || w.MiB > 30 || w.Commands > 0.01 { // a tenth of 200 MiB, and what the process itself takes when it works
		t.Errorf("%d requests that wait: %+v, %v", waiting, w, err)
	}

	h.Stop()
	if err := h.Fill(ctx, events/2); err != nil {
		t.Fatal(err)
	}
	marks, err := h.Replay(ctx, events, func(Mark) {})
	if err != nil {
		t.Fatal(err)
	}
	if got, again, wrong := h.Good.Got(); got != events || again > 0 || wrong > 0 || len(marks) != len(shares) {
		t.Errorf("%d events, %d again, %d behind a later one; %+v", got, again, wrong, marks)
	}
}

func TestTheNinetyNinthPercentile(t *testing.T) {
	var all []time.Duration
	for i := range 200 {
		all = append(all, time.Duration(200-i))
	}
	if p := P99(all); p != 199 || P99(nil) != 0 || Median(all) != 100 {
		t.Errorf("%d, median %d", p, Median(all))
	}
}
