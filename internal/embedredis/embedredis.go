// Package embedredis is the sandbox's Redis: it lives inside the worker, needs nothing
// installed and forgets everything when the worker ends. It is never used in production. It
// imports nothing of ours.
package embedredis

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const (
	// DefaultPort is Redis' own, so that redis-cli and other tools find the sandbox by default.
	DefaultPort = 6379
	// LastPort is the last one tried when others are taken.
	LastPort = 6399
)

// Server is a running Redis on the loopback interface. Its keys expire in real time.
type Server struct {
	// Addr is host:port.
	Addr string
	// DefaultTaken reports that something else listens on DefaultPort (very likely a Redis, which is
	// left alone), so that the sandbox can print the address that it uses instead.
	DefaultTaken bool

	mini *miniredis.Miniredis
	stop func() // ends what passes the time
}

// Start listens on 127.0.0.1:6379 or, when that is taken, on the next free port up to 6399.
func Start() (*Server, error) { return start(DefaultPort, LastPort) }

func start(first, last int) (*Server, error) {
	var lastErr error
	for port := first; port <= last; port++ {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if listens(addr) {
			lastErr = fmt.Errorf("something listens on %s", addr)
			continue
		}
		mini := miniredis.NewMiniRedis()
		if err := mini.StartAddr(addr); err != nil {
			lastErr = err
			continue
		}
		mini.Server().SetPreHook((&scores{srv: mini.Server()}).before)
		return &Server{Addr: addr, DefaultTaken: port != first, mini: mini, stop: passTime(mini)}, nil
	}
	return nil, fmt.Errorf("no free port for the sandbox's Redis from %d to %d: %w", first, last, lastErr)
}

// listens finds a server that was bound to all interfaces, which some systems (macOS) would let
// us bind over.
func listens(addr string) bool {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// URL is the server as REDIS_URL takes it.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Close ends the server; its data is gone. Closing twice is harmless.
func (s *Server) Close() {
	s.stop()
	s.mini.Close()
}
