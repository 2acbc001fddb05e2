package frontdoor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"issuance/internal/bulk"
)

// pacedBody is the body of a request whose caller is given up when it sends no line for a while. What has come does not wait
// for more, and a bulk that ends before its file does not either.
type pacedBody struct {
	bulk.Waiter
	body    io.Reader
	control *http.ResponseController
	pause   time.Duration
	after   int // bytes since the deadline was moved on
	cut     atomic.Pointer[Problem]

	reading sync.Mutex // held while the body is read
	ending  sync.Mutex // held while the deadline is set
	stopped context.Context
	stop    context.CancelFunc // ends a reading that waits, and those after it; may be called again
}

func newPacedBody(r *http.Request, control *http.ResponseController, pause time.Duration) *pacedBody {
	b := &pacedBody{body: r.Body, control: control, pause: pause}
	b.stopped, b.stop = context.WithCancel(context.WithoutCancel(r.Context()))
	b.Waiter = bulk.Interruptible(b.stopped, readerFunc(b.read))
	return b
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// cutOff is the problem of a file that did not come to its end.
func cutOff(err error) *Problem {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem(http.StatusRequestTimeout, codeTimeout, "the file stopped before its end; send it again, and what was recorded is a duplicate")
	}
	return problem(http.StatusBadRequest, codeInvalid, "the file broke off before its end; send it again, and what was recorded is a duplicate")
}

// longLine is how much counts as a line where a file has none.
const longLine = 4 << 10

func (b *pacedBody) read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.after == 0 {
		b.endBy(b.pause, false)
	}
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF && b.stopped.Err() == nil {
		b.cut.Store(cutOff(err))
	}
	if b.after += n; b.after >= longLine || bytes.IndexByte(p[:n], '\n') >= 0 {
		b.after = 0
	}
	return n, err
}

// endBy ends the readings of a body that has stopped, or has not: a reading that begins when it has does not move the end on.
func (b *pacedBody) endBy(within time.Duration, stopped bool) {
	b.ending.Lock()
	defer b.ending.Unlock()
	if (b.stopped.Err() != nil) == stopped {
		_ = b.control.SetReadDeadline(time.Now().Add(within)) // a connection without deadlines is a test's
	}
}

// leftWithin is how long a caller may go on sending a file that is read no more. Its connection is closed then, and an answer
// may be lost with what is still on its way.
const leftWithin = time.Second

// drain reads what is left, after the answer.
func (b *pacedBody) drain() {
	b.stop()
	b.endBy(leftWithin, true)
	b.reading.Lock()
	defer b.reading.Unlock()
	_, _ = io.Copy(io.Discard, b.body) // the answer does not depend on it
}
