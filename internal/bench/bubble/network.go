package bubble

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// Network is one server with the way to it, inside of a bubble. Safe for concurrent use.
type Network struct {
	server *http.Server
	queue  chan net.Conn
	done   chan struct{}
	once   sync.Once
	served chan struct{}
	calls  sync.WaitGroup

	mu      sync.Mutex
	refuses bool
	conns   []net.Conn
}

// Serve serves a handler whose answers take trip, until Stop.
func Serve(h http.Handler, trip time.Duration) *Network {
	n := &Network{queue: make(chan net.Conn), done: make(chan struct{}), served: make(chan struct{})}
	n.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.calls.Add(1)
		defer n.calls.Done()
		time.Sleep(trip / 2)
		h.ServeHTTP(w, r)
		time.Sleep(trip / 2)
	})}
	go func() {
		defer close(n.served)
		_ = n.server.Serve(n) // ends with Stop
	}()
	return n
}

// Dial connects to the server, whatever the address.
func (n *Network) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	n.mu.Lock()
	if n.refuses {
		n.mu.Unlock()
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	n.conns = append(n.conns, ours)
	n.mu.Unlock()
	select {
	case n.queue <- theirs:
		return ours, nil
	case <-n.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Refuse closes all connections and refuses new ones, or takes them again.
func (n *Network) Refuse(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuses = on
	if on {
		n.hangUp()
	}
}

func (n *Network) hangUp() {
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
}

// Stop ends the server and every connection, and waits for the calls under way.
func (n *Network) Stop() {
	_ = n.server.Close()
	n.mu.Lock()
	n.hangUp()
	n.mu.Unlock()
	<-n.served
	n.calls.Wait()
}

// Accept implements net.Listener.
func (n *Network) Accept() (net.Conn, error) {
	select {
	case c := <-n.queue:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (n *Network) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}

// Addr implements net.Listener.
func (n *Network) Addr() net.Addr { return &net.UnixAddr{Name: "bubble", Net: "unix"} }
