package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"issuance/internal/bulk"
	"issuance/internal/cli/table"
)

// maxListedLines is how many wrong lines are listed on standard error.
const maxListedLines = 20

// drainFor is how long an interrupted run tries to get rid of the wrong lines that it has seen.
const drainFor = 2 * time.Second

// rejects keeps wrong lines: in a file, or the first few of them for standard error.
type rejects struct {
	*app
	format bulk.Format
	name   string // of the file, if any
	file   *os.File
	// whole says that the file takes the place of name only when it is whole; until then, an old one
	// stays. What is no regular file (a device, a pipe, a link) is written into and left alone.
	whole  bool
	w      *bufio.Writer
	kept   bool // the lines are where name says
	n      int
	long   int // lines too long to be kept
	listed int // lines in list
	list   []string
}

// newRejects opens the file before anything is enqueued, so that no wrong line is lost. input is
// the file that is read, nil when it is none.
func (a *app) newRejects(ctx context.Context, name string, input fs.FileInfo, format bulk.Format) (*rejects, error) {
	r := &rejects{app: a, format: format, name: name}
	if name == "" {
		return r, nil
	}
	if old, err := os.Stat(name); err == nil && input != nil && os.SameFile(old, input) && old.Mode()&fs.ModeDevice == 0 {
		return nil, usagef("--rejects: %s is the file that is read; give another name", name)
	}
	old, err := os.Lstat(name)
	if r.whole = errors.Is(err, fs.ErrNotExist) || err == nil && old.Mode().IsRegular(); r.whole {
		r.file, err = os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp") // for its owner alone: it holds customers' data
	} else {
		r.file, err = openFile(ctx, name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("--rejects: %w", err)
	}
	if r.w = bufio.NewWriter(r.file); !r.whole { // who reads a pipe may have stopped doing so
		context.AfterFunc(ctx, func() { _ = r.file.SetWriteDeadline(time.Now().Add(drainFor)) })
	}
	return r, nil
}

// add takes a line.
func (r *rejects) add(line bulk.Rejected) error {
	if r.n++; r.w != nil && !line.Long {
		if r.n-r.long == 1 {
			if _, err := r.w.Write(r.format.Header()); err != nil {
				return fmt.Errorf("--rejects: %w", err)
			}
		}
		if _, err := r.w.Write(r.format.Reject(line.Raw, line.Problems)); err != nil {
			return fmt.Errorf("--rejects: %w", err)
		}
		return nil
	}
	if line.Long {
		r.long++
	}
	if r.listed < maxListedLines {
		r.listed++
		for _, p := range line.Problems {
			r.list = append(r.list, fmt.Sprintf("line %d: %s", line.Line, p))
		}
	}
	return nil
}

// close writes what is left and puts the file in its place. complete says that the whole input was
// read: without any line to keep, an old file has had its day then, and otherwise stays.
func (r *rejects) close(complete bool) error {
	if r.file == nil {
		return nil
	}
	lines := r.n > r.long
	err := errors.Join(r.w.Flush(), r.file.Close())
	switch {
	case r.whole && (err != nil || !lines && !complete):
		err = errors.Join(err, os.Remove(r.file.Name()))
	case r.whole:
		if err = os.Rename(r.file.Name(), r.name); err != nil {
			err = errors.Join(err, os.Remove(r.file.Name()))
		} else if !lines {
			err = os.Remove(r.name) // it is the one that was just put there
		}
	}
	if err != nil {
		return fmt.Errorf("--rejects: %w", err)
	}
	r.kept = lines
	return nil
}

// print lists what is wrong, unless it is in the file.
func (r *rejects) print() {
	for _, text := range r.list {
		fmt.Fprintln(r.err, table.Clean(text))
	}
	switch more := r.n - r.listed; {
	case r.name == "" && more > 0:
		fmt.Fprintf(r.err, "… and %s more; keep all of them with --rejects FILE\n", thousands(int64(more)))
	case r.kept:
		r.report("wrong lines are in %s; correct them and feed that file in", r.name)
	}
}

// statOf is what is known of a stream that may be a file.
func statOf(r io.Reader) fs.FileInfo {
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if stat, err := f.Stat(); err == nil {
			return stat
		}
	}
	return nil
}
