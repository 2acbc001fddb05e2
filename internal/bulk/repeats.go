package bulk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strconv"
	"strings"

	"issuance/internal/bulk/workbook"
	"issuance/providers"
	"issuance/tasks"
)

// Two lines with one number are two orders under one number, or one order twice; either way a person has
// to look, and neither is enqueued. A file that can be read twice is surveyed first, so that all of these
// lines are known before the first is enqueued. Of one that comes through a pipe the first line is enqueued
// and only the later ones are rejected.

var numberSeed = maphash.MakeSeed()

func numberHash(r tasks.Ref) uint64 { return maphash.Comparable(numberSeed, r) }

// numbers remembers the numbers of a file and the line of each, in 8 bytes. The place in the table is the
// beginning of a hash and the slot holds 40 bits more; at a million numbers the odds that any two are taken
// for one are 1 to 100,000.
type numbers struct {
	slots []uint64
	n     int
}

const (
	maxSlots = 1 << 21 // 16 MiB
	lineBits = 24      // lines beyond count as the last one
	hashMask = ^uint64(1<<lineBits - 1)
)

// newNumbers makes a table for so many bytes of text, of which 0 means that nobody knows.
func newNumbers(size int64) *numbers {
	const shortest = 16 // bytes that a line has at least, about
	slots := 1024
	for slots < maxSlots && (size == 0 || int64(slots) < 2*size/shortest) {
		slots *= 2
	}
	return &numbers{slots: make([]uint64, slots)}
}

// add remembers a number, or returns the line that it was in before, 0 when there was none. A table that is
// full remembers no more.
func (s *numbers) add(hash uint64, line int) (before int) {
	mask := uint64(len(s.slots) - 1)
	high := hash << 20 & hashMask // the place is made of the other bits
	for i := hash >> 40 & mask; ; i = (i + 1) & mask {
		switch slot := s.slots[i]; {
		case slot == 0 && s.full():
			return 0
		case slot == 0:
			s.slots[i] = high | uint64(min(line, 1<<lineBits-1))
			s.n++
			return 0
		case slot&hashMask == high:
			return int(slot &^ hashMask)
		}
	}
}

func (s *numbers) full() bool { return s.n >= len(s.slots)/8*7 }

// repeats are the numbers that stand in several lines of a file.
type repeats map[uint64]*lineList

// lineList keeps the first few lines.
type lineList struct {
	lines []int
	n     int
}

const (
	maxRepeats     = 50_000 // numbers that may stand in several lines; more are no mistake but another kind of file
	maxNamedInText = 3
)

func (l *lineList) add(line int) {
	if l.n++; len(l.lines) <= maxNamedInText {
		l.lines = append(l.lines, line)
	}
}

// others names the lines but one.
func (l *lineList) others(but int) string {
	var named []string
	for _, n := range l.lines {
		if n != but && len(named) < maxNamedInText {
			named = append(named, strconv.Itoa(n))
		}
	}
	if more := l.n - 1 - len(named); more > 0 {
		return fmt.Sprintf("lines %s and %d more", strings.Join(named, ", "), more)
	}
	if len(named) == 1 {
		return "line " + named[0]
	}
	return "lines " + strings.Join(named[:len(named)-1], ", ") + " and " + named[len(named)-1]
}

// survey reads a file that can be read twice, to find what only all of its lines show. The result is nil
// for a file that cannot.
func (f *File) survey(ctx context.Context) (repeats, error) {
	size, ok := f.source.again()
	if !ok {
		return nil, nil
	}
	found, seen := repeats{}, newNumbers(size)
	t, _ := f.Format.(*table)
	err := f.records(func(rec record) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if t != nil && !rec.long {
			if err := t.untitled(rec, f.Sheet != ""); err != nil {
				return err
			}
		}
		ref, ok := f.Number(rec.raw)
		if !ok || rec.long {
			return nil
		}
		hash := numberHash(ref)
		if before := seen.add(hash, rec.line); before > 0 {
			return found.add(hash, before, rec.line)
		}
		return nil
	})
	if err != nil && !errors.As(err, new(*FileError)) && ctx.Err() == nil {
		err = nil // it comes again when the file is read for good, and what stands before it is done
	}
	if err != nil {
		return nil, err
	}
	return found, f.source.rewind()
}

func (r repeats) add(hash uint64, before, line int) error {
	l := r[hash]
	if l == nil {
		if len(r) == maxRepeats {
			return &FileError{wrong(fmt.Sprintf("more than %d order numbers stand in several lines", maxRepeats))}
		}
		l = &lineList{}
		l.add(before)
		r[hash] = l
	}
	l.add(line)
	return nil
}

// repeated is the problem of a line whose number stands in others.
func repeated(ref tasks.Ref, lines string) Problem {
	p := Problem{Rule: "has the same order number as " + lines + "; each order needs a number of its own"}
	if rounded(ref.OrderID) {
		p.Advice = "Excel keeps 15 digits of a number and has rounded these: format the column as Text, then fill it again from its source"
	}
	return p
}

// aboutNumber reports whether a line's number is wrong by itself.
func aboutNumber(provider providers.Name, problems []Problem) bool {
	codec, _ := providers.CodecOf(provider)
	return slices.ContainsFunc(problems, func(p Problem) bool {
		return slices.Contains(codec.Columns.IDs, strings.TrimPrefix(p.Where, "request."))
	})
}

// rounded reports whether a number looks as if Excel had rounded it.
func rounded(number string) bool {
	if exponent.MatchString(number) {
		return true
	}
	const kept = 15
	return len(number) > kept && allDigits.MatchString(number) && strings.Trim(number[kept:], "0") == ""
}

// untitled says that a column without title holds something.
func (t *table) untitled(rec record, inSheet bool) error {
	if !t.gaps {
		return nil
	}
	row, _, problems := t.row(rec.raw)
	if len(row) != len(t.columns) {
		return nil
	}
	for _, p := range problems {
		switch untitled := t.columns[p.Column-1].name == ""; {
		case untitled && inSheet:
			return untitledCell(workbook.Cell(p.Column, rec.line))
		case untitled:
			return &FileError{[]Problem{{Where: "header", Rule: fmt.Sprintf("%s has no title, but line %d holds something in it", p.Where, rec.line), Column: p.Column}}}
		}
	}
	return nil
}

// again: a file that can be sought is read twice.
func (s *splitter) again() (size int64, ok bool) {
	seeker, ok := s.r.(io.Seeker)
	if !ok {
		return 0, false
	}
	at, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil { // a pipe
		return 0, false
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, false
	}
	if _, err := seeker.Seek(at, io.SeekStart); err != nil {
		return 0, false
	}
	s.mark = mark{start: at - int64(len(s.rest())), read: s.read, line: s.line}
	return end - s.mark.start, true
}

// mark is a place to come back to.
type mark struct {
	start, read int64
	line        int
}

func (s *splitter) rewind() error {
	if _, err := s.r.(io.Seeker).Seek(s.mark.start, io.SeekStart); err != nil {
		return err
	}
	s.buf, s.from, s.end, s.read, s.line = s.buf[:0], 0, nil, s.mark.read, s.mark.line
	return nil
}

// again: its rows are in a file of ours.
func (s *sheetRows) again() (size int64, ok bool) {
	const cell = 16 // bytes
	return int64(s.sheet.Last) * cell, true
}

func (s *sheetRows) rewind() error {
	if err := s.sheet.Rewind(); err != nil {
		return &FileError{wrong(err.Error())}
	}
	_, err := s.next() // the header
	return err
}
