package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/redisconn"
	"issuance/internal/testredis"
)

const bulkHeader = "channelOrderId,productSaleId,quantity,pickupType\n"

func bulkRow(i int) string { return fmt.Sprintf("B%06d,S1,1,voucher\n", i) }

// desk is a command line with a Redis.
type desk struct {
	server *testredis.Server
	rdb    *redis.Client
	env    map[string]string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return deskAt(t, testredis.Start(t))
}

func deskAt(t *testing.T, server *testredis.Server) *desk {
	t.Helper()
	d := &desk{server: server}
	d.rdb = d.server.Client()
	d.env = map[string]string{"REDIS_URL": d.server.URL(), "ISSUANCE_SEAL_KEYS": "c2NyaXB0cyBvbmx5OiAzMiBieXRlcyBmb3IgdGVzdHM="}
	if err := redisconn.Mark(t.Context(), d.rdb, redisconn.Production); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) run(ctx context.Context, in io.Reader, args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = Run(ctx, args, d.env, Streams{In: in, Out: &o, Err: &e})
	return code, o.String(), e.String()
}

func (d *desk) queued() int64 {
	return d.rdb.LLen(context.Background(), "asynq:{pass2u-bulk}:pending").Val()
}

// slow gives rows until it has given some, and then waits for the test.
type slow struct {
	rows, give int
	rest       string
	gave       func() // called once, when all were given
	once       sync.Once
	wait       chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if s.rest == "" {
		if s.rows == s.give {
			s.once.Do(s.gave)
			<-s.wait
			return 0, io.EOF
		}
		if s.rest = bulkRow(s.rows); s.rows == 0 {
			s.rest = bulkHeader + s.rest
		}
		s.rows++
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func wholeFile(t *testing.T, rows int) string {
	t.Helper()
	text := bulkHeader
	for i := range rows {
		text += bulkRow(i)
	}
	name := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Interrupted while it waits for more input, a bulk says how far it has come and what to do, and
// the whole file fed in again enqueues what is missing.
func TestABulkIsInterruptedAndRunAgain(t *testing.T) {
	d := newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := make(chan struct{})
	defer close(wait)
	in := &slow{give: 3000, wait: wait, gave: func() {
		go func() {
			defer cancel()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if d.queued() > 1000 {
					return
				}
			}
		}()
	}}
	code, out, text := d.run(ctx, in, "bulk", "-", "--json")
	if code != CouldNot || !strings.Contains(text, "interrupted") || !strings.Contains(text, "run the same command again") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	n := d.queued()
	if !strings.Contains(out, fmt.Sprintf(`"complete":false,"lines":%d,"enqueued":%d,`, n, n)) {
		t.Errorf("%d are enqueued, it says\n%s", n, out)
	}
	code, out, text = d.run(t.Context(), nil, "bulk", wholeFile(t, 4000), "--json")
	if code != Fine || !strings.Contains(out, fmt.Sprintf(`"lines":4000,"enqueued":%d,"duplicates":%d,`, 4000-n, n)) || d.queued() != 4000 {
		t.Errorf("again: exit code %d, %d enqueued\n%s%s", code, d.queued(), out, text)
	}
}

// With Redis gone in the middle, a bulk stops with what to do, and doing it makes the file whole.
func TestABulkWhoseRedisDies(t *testing.T) {
	t.Parallel() // Redis is given some seconds to come back, in which nothing happens
	d := deskAt(t, testredis.StartDurable(t))
	wait := make(chan struct{})
	in := io.MultiReader(&slow{give: 3000, wait: wait, gave: func() {
		d.server.Kill()
		close(wait)
	}}, strings.NewReader(bulkRow(3000)+bulkRow(3001)))
	code, out, text := d.run(t.Context(), in, "bulk", "-")
	if code != Unreachable || !strings.Contains(text, "enqueue: stopped behind line ") || !strings.Contains(text, "run the same command again") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
	d.server.Restart()
	code, out, text = d.run(t.Context(), nil, "bulk", wholeFile(t, 3002))
	if code != Fine || d.queued() != 3002 {
		t.Errorf("again: exit code %d, %d enqueued\n%s%s", code, d.queued(), out, text)
	}
}

// With keys that are not for this Redis, nothing is enqueued and it is said once.
func TestABulkWithTheWrongKeys(t *testing.T) {
	d := newDesk(t)
	d.env["ISSUANCE_SEAL_KEYS"] = "aXNzdWFuY2Ugc2FuZGJveCBrZXk6IG5ldmVyIHJlYWw="
	code, out, text := d.run(t.Context(), nil, "bulk", wholeFile(t, 300))
	if code != CouldNot || out != "" || strings.Count(text, "\n") != 1 || !strings.Contains(text, "this Redis is production's") || d.queued() != 0 {
		t.Errorf("exit code %d, %d enqueued\n%s%s", code, d.queued(), out, text)
	}
}

// Orders that cannot be compared with what is there, because a key is missing, are reported one by
// one and do not keep the others from being enqueued.
func TestABulkAfterAKeyWasLost(t *testing.T) {
	d := newDesk(t)
	if code, out, text := d.run(t.Context(), nil, "bulk", wholeFile(t, 30)); code != Fine {
		t.Fatalf("exit code %d\n%s%s", code, out, text)
	}
	d.env["ISSUANCE_SEAL_KEYS"] = "bmV3IGtleTogMzIgYnl0ZXMgZm9yIHRoZXNlIHRlc3Q="
	code, out, text := d.run(t.Context(), nil, "bulk", wholeFile(t, 31))
	if code != CouldNot || !strings.HasPrefix(out, "1 enqueued,") || !strings.Contains(text, "line 2: ") || !strings.Contains(text, "… and 10 more failed") ||
		!strings.Contains(text, "30 orders not enqueued") {
		t.Errorf("exit code %d\n%s%s", code, out, text)
	}
}

// A file of rejects can be read by its owner alone, since it holds customers' data, and is not
// left behind empty.
func TestRejectsAreTheOwnersAlone(t *testing.T) {
	d := newDesk(t)
	name := filepath.Join(t.TempDir(), "rejects.csv")
	code, _, _ := d.run(t.Context(), strings.NewReader(bulkHeader+"B 1,S1,1,voucher\n"), "bulk", "--rejects", name, "-")
	stat, err := os.Stat(name)
	if code != Wrong || err != nil || stat.Mode().Perm() != 0o600 {
		t.Fatalf("exit code %d, %v, %v", code, stat, err)
	}
	code, _, _ = d.run(t.Context(), strings.NewReader(bulkHeader+bulkRow(1)), "bulk", "--rejects", name, "-")
	if _, err := os.Stat(name); code != Fine || !os.IsNotExist(err) {
		t.Errorf("exit code %d, %v", code, err)
	}
}
