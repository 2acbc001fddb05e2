package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"issuance/internal/bulk"
	"issuance/internal/cli/table"
)

// inputFile is an opened file, or standard input. Reading it ends with the context it was opened with, even
// where nothing comes.
type inputFile struct {
	io.Reader
	shown string      // its name, as it may be printed
	stat  fs.FileInfo // nil when it is no file
	close func()
}

// size is 0 when it is not known.
func (f *inputFile) size() int64 {
	if f.stat != nil && f.stat.Mode().IsRegular() {
		return f.stat.Size()
	}
	return 0
}

// openInput opens a file, "-" for standard input.
func (a *app) openInput(ctx context.Context, name string) (*inputFile, error) {
	f := &inputFile{Reader: a.in, shown: "standard input", close: func() {}}
	if name != "-" {
		file, err := openFile(ctx, name, os.O_RDONLY)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, badFile(fileError(name, err))
		}
		f.Reader, f.shown, f.close = file, shownName(name), func() { _ = file.Close() }
		if stat := statOf(file); stat != nil && stat.IsDir() {
			f.close()
			return nil, badFile(fmt.Errorf("%s: is a directory", f.shown))
		}
	} else if a.in == nil {
		f.Reader = strings.NewReader("")
	}
	if f.stat = statOf(f.Reader); f.size() == 0 { // it may be a pipe
		f.Reader = bulk.Interruptible(ctx, f.Reader)
	}
	return f, nil
}

// wrong is a mistake in the file.
func (f *inputFile) wrong(err error) error { return badInput("%s: %w", f.shown, err) }

// maxShownName is how much of a file's name is printed, in characters.
const maxShownName = 100

// shownName is a file's name without what could play tricks on a terminal, and not too long.
func shownName(name string) string {
	runes := []rune(table.Clean(strings.ToValidUTF8(name, "?")))
	if len(runes) <= maxShownName {
		return string(runes)
	}
	return string(runes[:maxShownName/3]) + "…" + string(runes[len(runes)-maxShownName*2/3:])
}

// fileError is an error of the file system with a name that may be printed.
func fileError(name string, err error) error {
	if path := new(fs.PathError); errors.As(err, &path) {
		err = path.Err
	} else if link := new(os.LinkError); errors.As(err, &link) {
		err = link.Err
	}
	return fmt.Errorf("%s: %w", shownName(name), err)
}

// openFile opens a file. A pipe whose other end is not open is waited for no longer than ctx
// lasts.
func openFile(ctx context.Context, name string, flag int) (*os.File, error) {
	type answer struct {
		file *os.File
		err  error
	}
	opened := make(chan answer, 1)
	go func() {
		file, err := os.OpenFile(name, flag, 0o600)
		opened <- answer{file, err}
	}()
	select {
	case a := <-opened:
		return a.file, a.err
	case <-ctx.Done():
		go func() { // should the other end still come
			if a := <-opened; a.err == nil {
				_ = a.file.Close()
			}
		}()
		return nil, ctx.Err()
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
