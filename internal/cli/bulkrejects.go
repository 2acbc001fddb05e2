package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"issuance/internal/bulk"
	"issuance/internal/cli/table"
)

// maxTold is how many wrong lines are told on standard error.
const maxTold = 20

// rejects keeps wrong lines: in a file, or the first few of them for standard error.
type rejects struct {
	*app
	format bulk.Format
	name   string // of the file, if any
	file   *os.File
	w      *bufio.Writer
	n      int
	long   int // lines too long to be kept
	listed int // lines in list
	list   []string
}

// newRejects opens the file before anything is enqueued, so that no wrong line is lost.
func (a *app) newRejects(name, input string, format bulk.Format) (*rejects, error) {
	r := &rejects{app: a, format: format, name: name}
	if name == "" {
		return r, nil
	}
	if old, err := os.Stat(name); err == nil {
		if in, err := os.Stat(input); err == nil && os.SameFile(old, in) {
			return nil, usagef("--rejects: %s is the file that is read; give another name", name)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--rejects: %w", err)
	}
	// It holds customers' data.
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--rejects: %w", err)
	}
	r.file, r.w = file, bufio.NewWriter(file)
	return r, nil
}

// add takes a line.
func (r *rejects) add(line bulk.Rejected) error {
	if r.n++; r.n == 1 && r.w != nil {
		if _, err := r.w.Write(r.format.Header()); err != nil {
			return fmt.Errorf("--rejects: %w", err)
		}
	}
	if r.w != nil && !line.Long {
		if _, err := r.w.Write(r.format.Reject(line.Raw, line.Problems)); err != nil {
			return fmt.Errorf("--rejects: %w", err)
		}
		return nil
	}
	if line.Long {
		r.long++
	}
	if r.listed < maxTold {
		r.listed++
		for _, p := range line.Problems {
			r.list = append(r.list, fmt.Sprintf("line %d: %s", line.Line, p))
		}
	}
	return nil
}

// close writes what is left. A file without any line is taken away.
func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	err := errors.Join(r.w.Flush(), r.file.Close())
	if r.n == r.long && err == nil {
		err = os.Remove(r.name)
	}
	if err != nil {
		return fmt.Errorf("--rejects: %w", err)
	}
	return nil
}

// print tells what is wrong, unless it is in the file.
func (r *rejects) print() {
	for _, text := range r.list {
		fmt.Fprintln(r.err, table.Clean(text))
	}
	switch more := r.n - r.listed; {
	case r.name == "" && more > 0:
		fmt.Fprintf(r.err, "… and %s more; keep all of them with --rejects FILE\n", thousands(int64(more)))
	case r.name != "" && r.n > r.long:
		r.tell("wrong lines are in %s; correct them and feed that file in", r.name)
	}
}
