package webhooks

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"issuance/internal/listfile"
)

// File is the endpoints of a file, which is read again when it, or a file with a secret that it names, changes. Safe
// for concurrent use.
type File struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	list   []*Endpoint
	sum    [sha256.Size]byte // of what list was read from
	looked time.Time
	broken string // what was reported last
}

// reread is how often the file is looked at.
const reread = 2 * time.Second

// ReadFile reads a webhooks file. The error lists all its mistakes, each with its line and its entry's name, and no secret.
func ReadFile(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log, now: time.Now}
	var err error
	if f.list, f.sum, err = read(path); err != nil {
		return nil, err
	}
	f.looked = f.now()
	return f, nil
}

// Endpoints are those of the file as it is now. A file that cannot be read, or has mistakes, changes nothing.
func (f *File) Endpoints() []*Endpoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now().Sub(f.looked) < reread {
		return f.list
	}
	f.looked = f.now()
	list, sum, err := read(f.path)
	switch {
	case err != nil:
		if f.broken != err.Error() {
			f.log.Error("alarm: the webhooks file cannot be used, the endpoints read before stay in force", "error", err)
		}
		f.broken = err.Error()
	case sum != f.sum:
		f.list, f.sum, f.broken = list, sum, ""
		f.log.Info("webhooks read", "endpoints", len(list))
	default:
		f.broken = ""
	}
	return f.list
}

// Find is the endpoint of a name, or nil.
func (f *File) Find(name string) *Endpoint {
	for _, e := range f.Endpoints() {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// read reads a file. sum is of all that the endpoints were made from.
func read(path string) (list []*Endpoint, sum [sha256.Size]byte, err error) {
	file, err := listfile.Read[entry](path, "webhooks file", "webhooks")
	if err != nil {
		return nil, sum, err
	}
	all := sha256.New()
	all.Write(file.Raw)
	names := map[string]bool{}
	for i, n := range file.Entries {
		if !n.Listed {
			continue
		}
		called := n.Value.Name
		if !validName.MatchString(called) {
			called = fmt.Sprintf("webhook %d", i+1)
		}
		wrong := func(key, format string, args ...any) {
			file.Wrong(n.Line(key), "%s: %s", called, fmt.Sprintf(format, args...))
		}
		e, used := n.Value.endpoint(wrong)
		if names[e.Name] && e.Name != "" {
			wrong("name", "name is taken by another one")
		}
		names[e.Name] = true
		for _, u := range used {
			fmt.Fprintf(all, "\x00%s", u)
		}
		list = append(list, e)
	}
	return list, [sha256.Size]byte(all.Sum(nil)), file.Err()
}
