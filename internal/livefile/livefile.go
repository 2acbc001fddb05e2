// Package livefile reads a file of settings again when it changes, or a file that it names: secrets stand in files of
// their own. What cannot be read, or has mistakes, changes nothing and is reported. It imports nothing of ours.
package livefile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Reread is how often a file is looked at, at most.
const Reread = 2 * time.Second

// Most bounds a file, in bytes.
const Most = 1 << 20

// Config of a File. Everything is required unless a default is given.
type Config[T any] struct {
	Path string
	// Name is what the file is called in errors and in the log, such as "tokens file"; Kept is what stays in force while
	// it cannot be used, such as "the tokens read before".
	Name, Kept string
	// Parse reads the content. Files that it names are read by read, so that their changes are seen. Its error lists
	// all mistakes, and no secret.
	Parse func(raw []byte, read func(path string) ([]byte, error)) (T, error)
	// Changed reports that something else is in force now. Default: it is not reported.
	Changed func(T)
	Log     *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// File is what a file says. Safe for concurrent use.
type File[T any] struct {
	Config[T]
	mu       sync.Mutex
	value    T
	sum      [sha256.Size]byte // of everything that value was read from
	seen     []sight           // of the last attempt to read
	looked   time.Time
	broken   string // the mistake that stands, "" for none
	reported time.Time
}

// Open reads a file for the first time.
func Open[T any](c Config[T]) (*File[T], error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	f := &File[T]{Config: c}
	r, err := f.read()
	if err != nil {
		return nil, err
	}
	f.value, f.sum, f.seen, f.looked = r.value, r.sum, r.seen, f.Now()
	return f, nil
}

// Fixed is a value without a file.
func Fixed[T any](v T) *File[T] { return &File[T]{value: v} }

// SetClock replaces the clock, for tests. The file was looked at just now.
func (f *File[T]) SetClock(now func() time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Now, f.looked = now, now()
}

// Current is what the file says now, or said a moment ago.
func (f *File[T]) Current() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Path != "" && f.Now().Sub(f.looked) >= Reread {
		f.looked = f.Now()
		if f.broken != "" || f.changed() {
			_ = f.reload() // it is logged
		}
	}
	return f.value
}

// Reload reads the file at once, whether it seems to have changed or not. The error says what is wrong with it, and what
// was in force stays so.
func (f *File[T]) Reload() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Path == "" {
		return f.value, nil
	}
	f.looked = f.Now()
	return f.value, f.reload()
}

func (f *File[T]) reload() error {
	r, err := f.read()
	f.seen = r.seen
	if err != nil {
		f.report(err)
		return err
	}
	f.broken = ""
	if r.sum != f.sum {
		f.value, f.sum = r.value, r.sum
		if f.Changed != nil {
			f.Changed(f.value)
		}
	}
	return nil
}

// alarmEvery is how often a mistake that stands is reported.
const alarmEvery = time.Minute

func (f *File[T]) report(err error) {
	now := f.Now()
	if err.Error() == f.broken && now.Sub(f.reported) < alarmEvery {
		return
	}
	f.broken, f.reported = err.Error(), now
	f.Log.Error("alarm: the "+f.Name+" cannot be used, "+f.Kept+" stay in force", "mistake", err)
}

// reading is one attempt to read the file.
type reading[T any] struct {
	value T
	sum   [sha256.Size]byte
	seen  []sight
}

func (f *File[T]) read() (r reading[T], err error) {
	all := sha256.New()
	open := func(path string, most int64) ([]byte, error) {
		r.seen = append(r.seen, look(path))
		b, err := contents(path, most)
		fmt.Fprintf(all, "%d\x00", len(b))
		all.Write(b)
		return b, err
	}
	raw, err := open(f.Path, Most)
	switch {
	case errors.Is(err, errLarge):
		return r, fmt.Errorf("%s: larger than %d bytes", f.Name, Most)
	case err != nil:
		return r, fmt.Errorf("%s: %w", f.Name, err)
	}
	r.value, err = f.Parse(raw, func(path string) ([]byte, error) { return open(path, mostNamed) })
	r.sum = [sha256.Size]byte(all.Sum(nil))
	return r, err
}

// mostNamed bounds a file that is named, in bytes.
const mostNamed = 1 << 20

var errLarge = errors.New("it is too large")

func contents(path string, most int64) ([]byte, error) {
	h, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	b, err := io.ReadAll(io.LimitReader(h, most+1))
	if err == nil && int64(len(b)) > most {
		return nil, errLarge
	}
	return b, err
}

// sight is what a file looked like when it was read.
type sight struct {
	path string
	info os.FileInfo // nil: it was not there
	at   time.Time
}

func look(path string) sight {
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	return sight{path, info, time.Now()} // files have times of their own, whatever Config.Now says
}

// racy is for how long after a change of a file another one may look the same: file systems count time in steps.
const racy = 2 * time.Second

// changed reports whether a file may hold something else than when it was read.
func (f *File[T]) changed() bool {
	for _, s := range f.seen {
		now := look(s.path).info
		if (now == nil) != (s.info == nil) {
			return true
		}
		if now == nil {
			continue
		}
		if !os.SameFile(now, s.info) || !now.ModTime().Equal(s.info.ModTime()) || now.Size() != s.info.Size() || s.at.Sub(s.info.ModTime()) < racy {
			return true
		}
	}
	return false
}
