package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Break is one way in which a connection between a caller and a front door breaks.
type Break string

// The breaks.
const (
	Whole         Break = ""
	BeforeRequest Break = "before the request"
	InRequest     Break = "in the request"
	AfterRequest  Break = "after the request" // which is on its way, and is not waited for
	BeforeAnswer  Break = "before the answer" // which has begun, so the request has taken effect
	InAnswer      Break = "in the answer"
	NoDoor        Break = "nobody listens" // the front door is down
)

// Of a request, of its answer, of a bulk's two directions and of a stream of events, the bytes among which it breaks.
const (
	requestSpan = 900
	answerSpan  = 400
	bulkSpan    = 3000
	streamSpan  = 6000
)

// doorDial bounds the wait for a front door's connection.
const doorDial = 500 * time.Millisecond

// breaking decides where a connection breaks: up and down are how many bytes still pass, -1 for all.
type breaking struct {
	kind     Break
	up, down int
}

// shortBreaks break one in four connections of short requests.
func shortBreaks(r *rand.Rand) breaking {
	b := breaking{up: -1, down: -1}
	switch r.IntN(20) {
	case 0:
		b.kind = BeforeRequest
	case 1:
		b.kind, b.up = InRequest, 1+r.IntN(requestSpan)
	case 2:
		b.kind = AfterRequest
	case 3:
		b.kind, b.down = BeforeAnswer, 0
	case 4:
		b.kind, b.down = InAnswer, 1+r.IntN(answerSpan)
	}
	return b
}

// bulkBreaks break most connections of bulks, mostly in the middle of the file or of its receipts.
func bulkBreaks(r *rand.Rand) breaking {
	switch r.IntN(6) {
	case 0, 1:
		return breaking{kind: InRequest, up: 1 + r.IntN(bulkSpan), down: -1}
	case 2, 3:
		return breaking{kind: InAnswer, up: -1, down: 1 + r.IntN(bulkSpan)}
	}
	return shortBreaks(r)
}

// streamBreaks break every connection of a reader of events.
func streamBreaks(r *rand.Rand) breaking {
	return breaking{kind: InAnswer, up: -1, down: 1 + r.IntN(streamSpan)}
}

// proxy stands between callers and a front door, and breaks connections. It forwards bytes as they come, and knows
// nothing of HTTP: of a request on a connection of its own, the first bytes that arrive are all of it.
type proxy struct {
	listener net.Listener
	name     string
	seed     uint64
	door     func() string // the front door's address, "" while it is down
	draw     func(*rand.Rand) breaking
	calm     *atomic.Bool // no breaks any more

	count atomic.Uint64
	ends  sync.WaitGroup
	mu    sync.Mutex
	tally map[Break]int
	open  map[net.Conn]struct{}
	over  bool
}

// listen begins to accept connections.
func (p *proxy) listen() error {
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	p.tally, p.open = map[Break]int{}, map[net.Conn]struct{}{}
	p.ends.Go(func() {
		for {
			c, err := p.listener.Accept()
			if err != nil {
				return
			}
			if p.keep(c) {
				p.ends.Go(func() { p.serve(c) })
			}
		}
	})
	return nil
}

// url is where callers find it.
func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// close ends everything.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.over = true
	for c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.ends.Wait()
}

// keep has a connection closed with the proxy; false when that is over.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		_ = c.Close()
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *proxy) broke(b Break) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally[b]++
}

func (p *proxy) serve(caller net.Conn) {
	defer p.drop(caller)
	b := breaking{up: -1, down: -1}
	if n := p.count.Add(1); !p.calm.Load() {
		b = p.draw(dice(p.seed, "breaks", p.name, fmt.Sprint(n)))
	}
	if b.kind == BeforeRequest {
		p.broke(b.kind)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), doorDial)
	door, err := dialer().DialContext(ctx, "tcp", p.door())
	cancel()
	if err != nil {
		p.broke(NoDoor)
		return
	}
	if !p.keep(door) {
		return
	}
	defer p.drop(door)
	var once sync.Once // what breaks first counts
	end := func(broken bool) {
		once.Do(func() {
			if !broken {
				b.kind = Whole
			}
			p.broke(b.kind)
			_, _ = caller.Close(), door.Close()
		})
	}
	if b.kind == AfterRequest { // an answer might be faster than the break
		end(pass(door, caller, b.up, true))
		return
	}
	var up sync.WaitGroup
	up.Go(func() { end(pass(door, caller, b.up, false)) })
	end(pass(caller, door, b.down, false))
	up.Wait()
}

// dialer makes connections from another address of this machine where there is one, so that none of the thousands
// takes the port of a Redis, or of a front door, that is about to be started again.
func dialer() *net.Dialer {
	d := &net.Dialer{}
	if runtime.GOOS == "linux" {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
	}
	return d
}

// pass forwards bytes until either side ends, or the limit is reached: broken. first breaks after the first bytes.
func pass(to, from net.Conn, limit int, first bool) (broken bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if limit >= 0 && n > limit {
			_, _ = to.Write(buf[:limit]) // what is cut off next
			return true
		}
		if limit >= 0 {
			limit -= n
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return false
			}
			if first {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}
