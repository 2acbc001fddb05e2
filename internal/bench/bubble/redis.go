// Package bubble connects what runs in a synctest bubble, where time is virtual: to a Redis outside of it, and to
// servers inside. It imports nothing of ours.
package bubble

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis is a client of a server outside of the bubble, which answers in no time. Nothing that is published arrives.
func Redis(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, PoolSize: 200,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return &deaf{Conn: c, closed: make(chan struct{})}, err
		}})
}

// deaf is a connection to Redis on which nothing arrives any more once it has subscribed: waiting for what is
// published is network traffic without an end, during which virtual time would stand still.
type deaf struct {
	net.Conn
	subscribed, heard atomic.Bool
	closed            chan struct{}
	once              sync.Once
}

func (c *deaf) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("\r\nsubscribe\r\n")) {
		c.subscribed.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *deaf) Read(p []byte) (int, error) {
	if c.subscribed.Load() && c.heard.Swap(true) {
		<-c.closed
		return 0, io.EOF
	}
	return c.Conn.Read(p)
}

func (c *deaf) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
