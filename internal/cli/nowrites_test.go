package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
)

// full makes a desk's Redis refuse writes.
func (d *desk) full(t *testing.T) {
	t.Helper()
	if d.server.Kind != testredis.Real {
		t.Skip("only a real redis-server refuses writes in this way")
	}
	if err := d.rdb.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
}

// Workers cannot show that they are there while Redis takes no writes, so what is said is that, and not that no
// worker serves.
func TestAFullRedisIsNotAMissingWorker(t *testing.T) {
	d := newDesk(t)
	b, err := budget.New(d.rdb, budget.Config{Account: providers.Account{Provider: providers.Pass2U, Merchant: "main"}, PerSecond: 4})
	if err == nil {
		err = b.Announce(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	const order = `{"provider":"pass2u","request":{"channelOrderId":"A1","productSaleId":"S1","quantity":1,"pickupType":"order"}}`
	if code, out, text := d.run(t.Context(), strings.NewReader(order), "issue", "-"); code != Fine {
		t.Fatalf("%d %s%s", code, out, text)
	}
	d.full(t)
	for _, command := range []string{"status pass2u A1", "watch pass2u A1 --timeout 300ms", "issue --wait --timeout 300ms -", "budget", "budget --json", "list", "review"} {
		_, out, text := d.run(t.Context(), strings.NewReader(order), strings.Fields(command)...)
		if all := out + text; !strings.Contains(all, "takes no writes: its memory is full (maxmemory)") || strings.Contains(all, "no worker serves") ||
			strings.Contains(all, "none serves") || strings.Contains(out, "health         ok") {
			t.Errorf("%s:\n%s", command, all)
		}
	}
	if _, out, _ := d.run(t.Context(), nil, "status", "pass2u", "A1", "--json"); !strings.Contains(out, `"no_writes":"takes no writes: `) || strings.Contains(out, "no_worker") {
		t.Error(out)
	}
}

// A back office reads what is wrong with Redis, not Redis' own words about a script.
func TestARefusedWriteIsSaidInPlainWords(t *testing.T) {
	d := newDesk(t)
	file := wholeFile(t, 3)
	d.full(t)
	code, out, text := d.run(t.Context(), nil, "bulk", file)
	if code != Unreachable || !strings.Contains(text, "enqueue: stopped before the first line: Redis takes no writes: its memory is full (maxmemory); run the same command again") ||
		strings.Contains(text, "script") {
		t.Errorf("%d %s%s", code, out, text)
	}
}

// A Redis that stood still has forgotten the workers' heartbeats. Workers that were seen are missed only when they
// do not come back; those that never were there are missed at once.
func TestWorkersThatWereSeenAreMissedAfterAGrace(t *testing.T) {
	s := testredis.Mini(t)
	var errs bytes.Buffer
	now := time.Now()
	a := &app{err: &errs, now: func() time.Time { return now }}
	seen := func(w *attendance, absent string, want string) {
		t.Helper()
		errs.Reset()
		if w.is(t.Context(), absent); errs.String() != want {
			t.Errorf("%q, want %q", errs.String(), want)
		}
	}
	const gone = "enqueue: no worker serves pass2u:main (bulk) at present; nothing happens until one does\n"
	w := &attendance{app: a, session: &session{rdb: s.Client()}}
	seen(w, "pass2u:main (bulk)", gone)
	seen(w, "", "enqueue: workers serve pass2u:main (bulk) again\n")
	seen(w, "pass2u:main (bulk)", "")
	now = now.Add(heartbeatGrace - time.Second)
	seen(w, "pass2u:main (bulk)", "")
	seen(w, "", "")
	seen(w, "pass2u:main (bulk)", "")
	now = now.Add(heartbeatGrace)
	seen(w, "pass2u:main (bulk)", gone)
}

// A number with a line's end in it, as a copied cell may have one, is quoted and asked for nowhere.
func TestANumberWithControlCharactersIsQuoted(t *testing.T) {
	d := newDesk(t)
	for _, args := range [][]string{{"status", "ecticket", "BK00001\nx"}, {"watch", "pass2u/BK00001\nx"}, {"history", "pass2u", "BK\x1b[31m1"}} {
		if code, out, text := d.run(t.Context(), nil, args...); code != Wrong || !strings.Contains(text, `\nx" has a character`) && !strings.Contains(text, `\x1b[31m1" has a character`) {
			t.Errorf("%q: %d %s%q", args, code, out, text)
		}
	}
}

// A key that the live workers do not announce any more, and that no check refuses yet, is warned of.
func TestAKeyThatNoLiveWorkerHoldsIsWarnedOf(t *testing.T) {
	d := newDesk(t)
	ring, err := seal.ParseRing(d.env["ISSUANCE_SEAL_KEYS"])
	if err != nil {
		t.Fatal(err)
	}
	now := d.rdb.Time(t.Context()).Val()
	const order = `{"provider":"pass2u","request":{"channelOrderId":"A1","productSaleId":"S1","quantity":1,"pickupType":"order"}}`
	for _, c := range []struct {
		lag  time.Duration
		warn bool
	}{{keyMissed - time.Second, false}, {keyMissed + 10*time.Second, true}} {
		d.rdb.ZAdd(t.Context(), keys.SealKeys, redis.Z{Score: float64(now.UnixMilli()), Member: "another"},
			redis.Z{Score: float64(now.Add(-c.lag).UnixMilli()), Member: ring.IDs()[0]})
		code, out, text := d.run(t.Context(), strings.NewReader(order), "issue", "-")
		if code != Fine || strings.Contains(text, "no worker has announced the first key of ISSUANCE_SEAL_KEYS for ") != c.warn {
			t.Errorf("%s: %d %s%s", c.lag, code, out, text)
		}
	}
}
