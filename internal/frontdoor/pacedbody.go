package frontdoor

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pacedBody is the body of a request whose caller is given up when it sends no line for a while. A bulk that ends before its
// file does not wait for more of it.
type pacedBody struct {
	body    io.Reader
	control *http.ResponseController
	pause   time.Duration
	after   int // bytes since the deadline was moved on
	cut     atomic.Pointer[Problem]

	reading sync.WaitGroup
	stopped chan struct{}
	stop    func() // ends a reading that waits, and those after it; may be called again
}

func newPacedBody(r *http.Request, control *http.ResponseController, pause time.Duration) *pacedBody {
	b := &pacedBody{body: r.Body, control: control, pause: pause, stopped: make(chan struct{})}
	b.stop = sync.OnceFunc(func() { close(b.stopped) })
	return b
}

// cutOff is the problem of a file that did not come to its end.
func cutOff(err error) *Problem {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem(http.StatusRequestTimeout, codeTimeout, "the file stopped before its end; send it again, and what was recorded is a duplicate")
	}
	return problem(http.StatusBadRequest, codeInvalid, "the file broke off before its end; send it again, and what was recorded is a duplicate")
}

// longLine is how much counts as a line where a file has none.
const longLine = 4 << 10

var errStopped = errors.New("the bulk has ended")

// Read implements io.Reader. After an error what was given to it may still be written to.
func (b *pacedBody) Read(p []byte) (int, error) {
	var n int
	var err error
	read := make(chan struct{})
	b.reading.Go(func() {
		defer close(read)
		n, err = b.read(p)
	})
	select {
	case <-read:
		return n, err
	case <-b.stopped:
		return 0, errStopped
	}
}

func (b *pacedBody) read(p []byte) (int, error) {
	if b.after == 0 {
		_ = b.control.SetReadDeadline(time.Now().Add(b.pause)) // a connection without deadlines is a test's
	}
	n, err := b.body.Read(p)
	if err != nil && err != io.EOF && !b.isStopped() {
		b.cut.Store(cutOff(err))
	}
	if b.after += n; b.after >= longLine || bytes.IndexByte(p[:n], '\n') >= 0 {
		b.after = 0
	}
	return n, err
}

func (b *pacedBody) isStopped() bool {
	select {
	case <-b.stopped:
		return true
	default:
		return false
	}
}

// leftWithin is how long a caller may go on sending a file that is read no more. Its connection is closed then, and an answer
// may be lost with what is still on its way.
const leftWithin = time.Second

// drain reads what is left, after the answer.
func (b *pacedBody) drain() {
	b.stop()
	_ = b.control.SetReadDeadline(time.Now().Add(leftWithin))
	b.reading.Wait()
	_, _ = io.Copy(io.Discard, b.body) // the answer does not depend on it
}
