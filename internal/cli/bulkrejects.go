package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"issuance/internal/bulk"
	"issuance/internal/bulk/workbook"
	"issuance/tasks"
)

// maxListedLines is how many wrong lines are listed on standard error.
const maxListedLines = 20

// drainFor is how long an interrupted run tries to get rid of the wrong lines that it has seen.
const drainFor = 2 * time.Second

// rejects keeps wrong lines: in a file, or the first few of them for standard error. With --json, all of
// them are printed as well.
type rejects struct {
	*app
	input *bulk.File
	name  string // of the file, if any
	file  *os.File
	// whole says that the file takes the place of name only when it is whole; until then, an old one
	// stays. What is no regular file (a device, a pipe) is written into and left alone.
	whole    bool
	w        *bufio.Writer
	book     *bulk.Book // what w is written of in the end; nil for a file of text
	kept     bool       // the lines are where name says
	n        int
	long     int // lines too long to be kept
	formulas int // kept lines of which a spreadsheet would run a cell
	listed   int // lines in list
	list     []string
}

// newRejects opens the file before anything is enqueued, so that no wrong line is lost.
func (a *app) newRejects(ctx context.Context, name string, input *bulkFile) (*rejects, error) {
	r := &rejects{app: a, input: input.File, name: name}
	if name == "" {
		return r, nil
	}
	in := input.input.stat
	if old, err := os.Stat(name); err == nil && in != nil && os.SameFile(old, in) && old.Mode()&fs.ModeDevice == 0 {
		return nil, usagef("--rejects: %s is the file that is read; give another name", shownName(name))
	}
	asBook := strings.EqualFold(filepath.Ext(name), ".xlsx")
	if asBook && !input.IsTable() {
		return nil, usagef("--rejects: %s: rejects of NDJSON are NDJSON; give a name that ends in .ndjson", shownName(name))
	}
	if err := r.open(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.As(err, new(*usageError)) {
			return nil, err
		}
		return nil, fmt.Errorf("--rejects: %w", fileError(name, err))
	}
	if r.w = bufio.NewWriter(r.file); asBook {
		book, err := bulk.NewBook(input.Sheet)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--rejects: %w", err), r.close(false))
		}
		r.book = book
	}
	if !r.whole { // who reads a pipe may have stopped doing so
		context.AfterFunc(ctx, func() { _ = r.file.SetWriteDeadline(time.Now().Add(drainFor)) })
	}
	return r, nil
}

// open makes a new file, for its owner alone, since it holds customers' data; it takes the place of name
// later and never goes through a link. What is there and no regular file is written into.
func (r *rejects) open(ctx context.Context) error {
	old, err := os.Lstat(r.name)
	if r.whole = errors.Is(err, fs.ErrNotExist) || err == nil && old.Mode().IsRegular(); r.whole {
		r.file, err = os.CreateTemp(filepath.Dir(r.name), filepath.Base(r.name)+".*.tmp")
		return err
	}
	if err != nil {
		return err
	}
	// A link is followed to a device or a pipe (/dev/stderr, a shell's >(…)), and for that alone.
	if target, err := os.Stat(r.name); err != nil || target.Mode().IsRegular() {
		return usagef("--rejects: %s is a symbolic link; give the name of the file itself", shownName(r.name))
	}
	if r.file, err = openFile(ctx, r.name, os.O_WRONLY); err != nil {
		return err
	}
	stat, err := r.file.Stat()
	if err == nil && (stat.Mode().IsRegular() || stat.Mode()&fs.ModeNamedPipe != 0 && stat.Mode().Perm()&0o044 != 0) {
		err = usagef("--rejects: %s can be read by others; wrong lines hold customers' data", shownName(r.name))
	}
	if err != nil {
		return errors.Join(err, r.file.Close())
	}
	return nil
}

// add takes a line.
func (r *rejects) add(line bulk.Rejected) error {
	r.n++
	if line.Long {
		r.long++
	}
	if r.json {
		if err := r.printWrong(line); err != nil {
			return err
		}
	}
	switch {
	case r.w != nil && !line.Long:
		return r.keep(line)
	case !r.json && r.listed < maxListedLines:
		r.listed++
		for _, p := range line.Problems {
			if r.input.Sheet != "" && p.Column > 0 {
				p.Where += " (" + workbook.Cell(p.Column, line.Line) + ")"
			}
			r.list = append(r.list, fmt.Sprintf("line %d: %s", line.Line, p))
		}
	}
	return nil
}

// keep writes a line into the file.
func (r *rejects) keep(line bulk.Rejected) error {
	text := r.input.Reject(line.Raw, line.Problems)
	if r.n-r.long == 1 {
		text = append(r.input.Header(), text...)
	}
	if r.book != nil {
		return r.unwritten(r.book.Add(text))
	}
	if r.input.Formula(line.Raw) {
		r.formulas++
	}
	_, err := r.w.Write(text)
	return r.unwritten(err)
}

// unwritten says that the file could not be written, nil for nil.
func (r *rejects) unwritten(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, workbook.ErrTooLarge):
		return usagef("--rejects: %s: %s; give a name that ends in .csv", shownName(r.name), err)
	}
	return fmt.Errorf("--rejects: %w", fileError(r.name, err))
}

// written writes what is left, the workbook where there is one.
func (r *rejects) written(lines bool) (err error) {
	if r.book != nil {
		if lines {
			err = r.book.Finish(r.w)
		}
		err = errors.Join(err, r.book.Close())
	}
	return errors.Join(err, r.w.Flush())
}

// printWrong prints a line with --json.
func (r *rejects) printWrong(line bulk.Rejected) error {
	p := problem{Code: codeInvalid, Message: fmt.Sprintf("line %d is wrong", line.Line), Line: line.Line,
		Violations: problemLines(line.Problems, r.input.Sheet, line.Line)}
	if line.Conflict {
		p.Code = codeConflict
	}
	if line.Order != (tasks.Ref{}) {
		p = p.about(line.Order)
	}
	return r.printProblem(p)
}

// close writes what is left and puts the file in its place. complete says that the whole input was
// read: without any line to keep, an old file has had its day then, and otherwise stays.
func (r *rejects) close(complete bool) error {
	if r.file == nil {
		return nil
	}
	lines := r.n > r.long
	err := errors.Join(r.written(lines), r.file.Close())
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
	r.kept = err == nil && lines
	return r.unwritten(err)
}

// print lists what is wrong, unless it is in the file.
func (r *rejects) print() {
	for _, text := range r.list {
		r.errLine(text)
	}
	switch more := r.n - r.listed; {
	case r.name == "" && more > 0 && !r.json:
		r.errLine(fmt.Sprintf("… and %s more; keep all of them with --rejects FILE", thousands(int64(more))))
	case r.kept:
		as := ""
		if r.input.Sheet != "" && r.book == nil {
			as = " as CSV"
		}
		r.report("wrong lines are in %s%s; correct them and feed that file in", shownName(r.name), as)
	}
	if r.kept && r.formulas > 0 {
		r.report("in %s a cell begins with =, +, - or @, which a spreadsheet would run as a formula: import the columns as Text", lines(int64(r.formulas)))
	}
}
