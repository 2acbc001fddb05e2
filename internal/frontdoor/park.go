package frontdoor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A request that waits inside of net/http keeps two goroutines, one of them with the stack that looking up a status
// takes, and three buffers: 38 KiB. So one that only asks, over HTTP/1.1, is parked instead: its connection is taken
// from net/http and waits with a small goroutine, and when there may be an answer the request is served again as if it
// had just come, for the rest of its time. Everything else waits where it is.

// errParked ends the handling of a request that is parked.
var errParked = errors.New("parked")

// lot is where requests of one listener are parked, and a listener of the connections that come back.
type lot struct {
	hub  *hub
	back chan net.Conn
	addr net.Addr

	mu    sync.Mutex
	full  bool           // the server stops: nothing is parked any more
	count int            // requests that were ever parked
	under sync.WaitGroup // requests that are parked; grows under mu and only before full
	done  chan struct{}
	once  sync.Once
}

func newLot(h *hub, addr net.Addr) *lot {
	return &lot{hub: h, addr: addr, back: make(chan net.Conn), done: make(chan struct{})}
}

// reserve reports whether a request may be parked.
func (l *lot) reserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return false
	}
	l.under.Add(1)
	if l.count++; l.count%tidyEvery == 0 {
		go debug.FreeOSMemory()
	}
	return true
}

// tidyEvery is after how many parked requests memory is given back: each leaves 30 KiB behind, and many come at once
// when an event begins to sell.
const tidyEvery = 500

// clear has every parked request served again, and none parked, and waits until they are under way or the context ends.
func (l *lot) clear(ctx context.Context) {
	l.mu.Lock()
	l.full = true
	l.mu.Unlock()
	l.hub.wakeAll()
	empty := make(chan struct{})
	go func() { l.under.Wait(); close(empty) }()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// Accept implements net.Listener.
func (l *lot) Accept() (net.Conn, error) {
	select {
	case c := <-l.back:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *lot) Close() error { l.once.Do(func() { close(l.done) }); return nil }

// Addr implements net.Listener.
func (l *lot) Addr() net.Addr { return l.addr }

// space is where a connection's requests may be parked.
type space struct {
	lot  *lot
	conn net.Conn
}

type spaceKey struct{}

// spaceOf is where a request may be parked, nil where it may not.
func spaceOf(r *http.Request) *space {
	if r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || r.ProtoMajor > 1 || r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return nil
	}
	sp, _ := r.Context().Value(spaceKey{}).(*space)
	return sp
}

// parked is a request that is parked, or about to be.
type parked struct {
	*waiter
	leave func()
	until time.Time
}

// visit is what a request that is served again keeps of the first time.
type visit struct {
	id    string
	began time.Time
	until time.Time // when its time to wait is over
	busy  bool      // more has come behind it on the connection, so that it waits where it is
}

// returned is a connection that was parked. It is read from the beginning of the request.
type returned struct {
	net.Conn
	unread []byte
	visit  atomic.Pointer[visit] // until the request is served
	over   func()                // the request is parked no more: it is served, or never will be; may be called again
}

// Close implements net.Conn.
func (c *returned) Close() error {
	c.over()
	return c.Conn.Close()
}

// Read implements net.Conn.
func (c *returned) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		c.unread = nil
	}
	return n, nil
}

// revisited is what a request had when it was parked, nil when it was not.
func (sp *space) revisited() *visit {
	c, ok := sp.conn.(*returned)
	if !ok {
		return nil
	}
	defer c.over() // from now on a server that stops waits for it by itself; before, it would drop it
	return c.visit.Swap(nil)
}

// park takes a request's connection from net/http. gone is called when the caller has gone away.
func (sp *space) park(w http.ResponseWriter, r *http.Request, p *parked, v *visit, gone func()) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		sp.abandon(p)
		_ = sp.conn.Close() // the caller comes again
		gone()
		return
	}
	c := &returned{Conn: conn, unread: requestText(r), over: sync.OnceFunc(sp.lot.under.Done)}
	rest, _ := buffered.Reader.Peek(buffered.Reader.Buffered()) // what is there cannot fail
	c.unread = append(c.unread, rest...)
	if before, ok := conn.(*returned); ok {
		c.Conn, c.unread = before.Conn, append(c.unread, before.unread...)
	}
	c.visit.Store(v)
	go sp.lot.wait(c, p, gone)
}

// abandon gives up a request that was about to be parked.
func (sp *space) abandon(p *parked) {
	p.leave()
	sp.lot.under.Done()
}

// wait waits with a parked connection until its request may have an answer, its time is over, or its caller is gone.
func (l *lot) wait(c *returned, p *parked, gone func()) {
	first, n, err := make([]byte, 1), 0, os.ErrDeadlineExceeded
	if l.hub.park(p.waiter, c.Conn, p.until) {
		n, err = c.Conn.Read(first)
	}
	p.leave()
	if n == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.Close()
		gone()
		return
	}
	if n > 0 {
		c.unread = append(c.unread, first[:n]...)
		c.visit.Load().busy = true
	}
	_ = c.Conn.SetReadDeadline(time.Time{}) // a connection that is broken is noticed by whoever reads it
	select {
	case l.back <- c:
	case <-l.done:
		_ = c.Close()
	}
}

// requestText is a request without a body as it came.
func requestText(r *http.Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Host)
	_ = r.Header.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}
