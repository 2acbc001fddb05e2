package door

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Waiting is what requests that wait cost the front door's process and Redis.
type Waiting struct {
	MiB      float64 // resident memory beyond that of the idle process
	Peak     float64 // the same for its peak
	Commands float64 // Redis commands a second of each request
}

// watched is how long Redis' commands are counted.
const watched = 5 * time.Second

// Arriving is how many requests come at the same time.
const Arriving = 64

// Wait has n requests wait for an order that is not final, each on a connection of its own.
func (d *Door) Wait(ctx context.Context, rdb redis.UniversalClient, number string, n int) (w Waiting, err error) {
	idle, err := commandsIn(ctx, rdb, watched)
	if err != nil {
		return w, err
	}
	before, _ := d.Memory()
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	request := fmt.Sprintf("GET /v1/orders/%s/%s?wait=60 HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", Account, number, d.Token)
	for waiting := 0.0; len(conns) < n || waiting < float64(n); {
		for range min(n, int(waiting)+Arriving) - len(conns) {
			c, err := net.Dial("tcp", d.Addr)
			if err != nil {
				return w, err
			}
			conns = append(conns, c)
			if _, err := io.WriteString(c, request); err != nil {
				return w, err
			}
		}
		if waiting, err = d.Metric(ctx, "issuance_http_waiting_requests"); err != nil {
			return w, err
		}
	}
	for first := idle + 1000; first > idle+100; { // each asks for the order's status once before it waits
		if first, err = commandsIn(ctx, rdb, time.Second); err != nil {
			return w, err
		}
	}
	busy, err := commandsIn(ctx, rdb, watched)
	if err != nil {
		return w, err
	}
	now, peak := d.Memory()
	return Waiting{MiB: now - before, Peak: peak - before, Commands: max(0, busy-idle) / watched.Seconds() / float64(n)}, nil
}

// commandsIn is how many commands a Redis gets in a while.
func commandsIn(ctx context.Context, rdb redis.UniversalClient, while time.Duration) (float64, error) {
	processed := func() (n float64, err error) {
		info, err := rdb.Info(ctx, "stats").Result()
		for line := range strings.Lines(info) {
			if rest, ok := strings.CutPrefix(line, "total_commands_processed:"); ok {
				_, err = fmt.Sscan(rest, &n)
			}
		}
		return n, err
	}
	before, err := processed()
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(while):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	after, err := processed()
	return after - before, err
}
