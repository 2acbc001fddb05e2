package bulk

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// record is one line of a file, or several lines where a quoted CSV cell goes on.
type record struct {
	line int    // of its start, from 1
	raw  []byte // as it came, without the line's end; good until the next one is read
	long bool   // it is longer than MaxRecord, and raw is only its beginning
}

// splitter splits a file into records. Its buffer is all it keeps.
type splitter struct {
	r      io.Reader
	sep    byte // between the cells of a record; it is given out with commas
	quotes bool // a record goes on while a quoted CSV cell is open
	buf    []byte
	from   int // of what is not given out yet
	line   int
	read   int64 // bytes given out
	end    error // what r ended with
	mark   mark  // where reading it again begins
}

const readAhead = 64 << 10

func newSplitter(r io.Reader, quotes bool) *splitter {
	return &splitter{r: r, sep: ',', quotes: quotes, line: 1, buf: make([]byte, 0, 2*readAhead)}
}

// Waiter is a reader behind which somebody may be typing. What is there then does not wait for more.
type Waiter interface {
	io.Reader
	// Ready waits until Read would return at once, but no longer than within.
	Ready(within time.Duration) bool
}

// atHand reports whether the next record, or the end, is there or comes until then. Without a
// Waiter the answer is always yes.
func (s *splitter) atHand(until time.Time) bool {
	w, waits := s.r.(Waiter)
	for waits && s.end == nil && len(s.rest()) <= MaxRecord {
		if _, complete := s.length(); complete {
			break
		}
		if !w.Ready(max(0, time.Until(until))) {
			return false
		}
		s.fill()
	}
	return true
}

// next returns the next record, blank lines included, or io.EOF, or r's own error.
func (s *splitter) next() (record, error) {
	n, whole, err := s.find()
	if err != nil {
		return record{}, err
	}
	rec := record{line: s.line, raw: trimEnd(s.rest()[:n]), long: !whole || n > MaxRecord+len("\r\n")}
	s.line += bytes.Count(s.rest()[:n], []byte("\n"))
	s.take(n)
	if rec.long {
		rec.raw = bytes.Clone(rec.raw[:min(len(rec.raw), MaxRecord)])
	} else if s.sep != ',' {
		rec.raw = withCommas(rec.raw, s.sep)
	}
	if !whole {
		err = s.skipLine()
	}
	return rec, err
}

func (s *splitter) place() int64 { return s.read }

// close: the reader is somebody else's.
func (s *splitter) close() error { return nil }

func (s *splitter) rest() []byte { return s.buf[s.from:] }

func (s *splitter) take(n int) {
	s.from += n
	s.read += int64(n)
}

// find returns how many bytes the next record has, its line's end included. It is not whole when
// even its first line is longer than the buffer.
func (s *splitter) find() (n int, whole bool, err error) {
	for {
		n, complete := s.length()
		switch {
		case complete:
			return n, true, nil
		case len(s.rest()) > MaxRecord: // a long line, or a quote that is never closed
			n, whole := s.firstLine()
			return n, whole, nil
		case s.end == nil:
			s.fill()
		case !errors.Is(s.end, io.EOF):
			return 0, false, s.end
		case len(s.rest()) == 0:
			return 0, false, io.EOF
		default: // the last line, without an end; or the first of some with an open quote
			n, _ := s.firstLine()
			return n, true, nil
		}
	}
}

// length is the length of the first record of the rest; complete is false when it may go on
// behind the rest.
func (s *splitter) length() (n int, complete bool) {
	rest := s.rest()
	line := bytes.IndexByte(rest, '\n') + 1
	if !s.quotes || line > 0 && bytes.IndexByte(rest[:line], '"') < 0 {
		return line, line > 0
	}
	return csvLength(rest, s.sep, errors.Is(s.end, io.EOF))
}

// firstLine is the length of the first line, whatever the quotes say; without an end in the
// buffer, it is not whole.
func (s *splitter) firstLine() (n int, whole bool) {
	if n := bytes.IndexByte(s.rest(), '\n') + 1; n > 0 {
		return n, true
	}
	return len(s.rest()), false
}

// fill reads more.
func (s *splitter) fill() {
	if s.from > 0 && (len(s.rest()) == 0 || len(s.buf)+readAhead > cap(s.buf)) {
		s.buf = s.buf[:copy(s.buf, s.rest())]
		s.from = 0
	}
	if len(s.buf)+readAhead > cap(s.buf) {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	for range 100 { // a reader may return nothing now and then, but not for ever
		n, err := s.r.Read(s.buf[len(s.buf) : len(s.buf)+readAhead])
		s.buf, s.end = s.buf[:len(s.buf)+n], err
		if n > 0 || err != nil {
			return
		}
	}
	s.end = io.ErrNoProgress
}

// skipLine leaves the rest of a line out that is too long to be kept.
func (s *splitter) skipLine() error {
	for {
		if n := bytes.IndexByte(s.rest(), '\n') + 1; n > 0 {
			s.line++
			s.take(n)
			return nil
		}
		s.take(len(s.rest()))
		if s.end != nil {
			if errors.Is(s.end, io.EOF) {
				return nil
			}
			return s.end
		}
		s.fill()
	}
}

func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}
