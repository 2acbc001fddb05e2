package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"issuance/internal/bulk"
)

// bulkFile is an opened file of orders.
type bulkFile struct {
	*bulk.File
	stat  fs.FileInfo // nil when it is no file
	close func()
}

// size is 0 when it is not known.
func (f *bulkFile) size() int64 {
	if f.stat != nil && f.stat.Mode().IsRegular() {
		return f.stat.Size()
	}
	return 0
}

// openBulk opens a file of orders, "-" for standard input. Reading it ends with ctx, even where
// nothing comes.
func (a *app) openBulk(ctx context.Context, name string, r bulk.Reading) (*bulkFile, error) {
	f := &bulkFile{close: func() {}}
	var in io.Reader
	if name == "-" {
		if in = a.in; in == nil {
			in = strings.NewReader("")
		}
		f.stat = statOf(in)
		in = interruptible(ctx, in)
		name = "standard input"
	} else {
		file, err := openFile(ctx, name, os.O_RDONLY)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, badFile(err)
		}
		f.close = func() { _ = file.Close() }
		f.stat = statOf(file)
		if f.stat != nil && f.stat.IsDir() {
			f.close()
			return nil, badFile(fmt.Errorf("%s: is a directory", name))
		}
		if f.size() > 0 {
			in = file
		} else {
			in = interruptible(ctx, file)
		}
	}
	var err error
	if f.File, err = bulk.Open(in, r); err != nil {
		f.close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, badInput("%s: %w", name, err)
	}
	return f, nil
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
