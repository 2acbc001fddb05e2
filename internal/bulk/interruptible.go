package bulk

import (
	"context"
	"io"
	"time"
)

// Interruptible is a Waiter whose Read ends with the context, though r's own may wait for ever, as a terminal's or a
// connection's does. Bytes may be lost then. r is read ahead, up to 64 KiB, by a goroutine that ends when the read under way does.
func Interruptible(ctx context.Context, r io.Reader) Waiter {
	return &pump{ctx: ctx, r: r, full: make(chan piece), empty: make(chan []byte, 1)}
}

// pump hands over what a goroutine reads, one buffer at a time.
type pump struct {
	ctx     context.Context
	r       io.Reader
	full    chan piece
	empty   chan []byte
	now     piece
	buf     []byte // now's, to be given back
	started bool
}

type piece struct {
	data []byte
	err  error
}

func (p *pump) Read(out []byte) (int, error) {
	for len(p.now.data) == 0 {
		if p.now.err != nil {
			return 0, p.now.err
		}
		p.next(nil)
	}
	n := copy(out, p.now.data)
	p.now.data = p.now.data[n:]
	return n, nil
}

// Ready implements Waiter.
func (p *pump) Ready(within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for len(p.now.data) == 0 && p.now.err == nil {
		if !p.next(timer.C) {
			return false
		}
	}
	return true
}

// next takes the next piece, unless the time is over before it comes.
func (p *pump) next(over <-chan time.Time) bool {
	if !p.started {
		p.started = true
		p.empty <- make([]byte, 64<<10)
		go p.run()
	}
	if p.buf != nil {
		p.empty <- p.buf
		p.buf = nil
	}
	select {
	case p.now = <-p.full:
		p.buf = p.now.data[:cap(p.now.data)]
	case <-p.ctx.Done():
		p.now.err = p.ctx.Err()
	case <-over:
		return false
	}
	return true
}

// run reads until there is nothing more, or it is not taken.
func (p *pump) run() {
	for {
		var buf []byte
		select {
		case buf = <-p.empty:
		case <-p.ctx.Done():
			return
		}
		n, err := p.r.Read(buf)
		select {
		case p.full <- piece{buf[:n], err}:
		case <-p.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}
