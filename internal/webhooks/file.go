package webhooks

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
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

// ReadFile reads a webhooks file. The error lists all its mistakes, each with its entry's name, and no secret.
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

// mostFile bounds a webhooks file, in bytes.
const mostFile = 1 << 20

var yamlLine = regexp.MustCompile(`line \d+`)

func read(path string) (list []*Endpoint, sum [sha256.Size]byte, err error) {
	h, err := os.Open(path)
	if err != nil {
		return nil, sum, fmt.Errorf("webhooks file: %w", err)
	}
	defer h.Close()
	raw, err := io.ReadAll(io.LimitReader(h, mostFile+1))
	if err != nil {
		return nil, sum, fmt.Errorf("webhooks file: %w", err)
	}
	if len(raw) > mostFile {
		return nil, sum, fmt.Errorf("webhooks file: larger than %d bytes", mostFile)
	}
	var file struct {
		Webhooks []entry `yaml:"webhooks"`
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		// (The library's own words may repeat a secret.)
		return nil, sum, fmt.Errorf("webhooks file: %s: it must be YAML: webhooks: [{name, url, secret or secret_file, previous_secret_file, events, accounts, allow_private}]",
			orWhere(yamlLine.FindString(err.Error())))
	}
	all := sha256.New()
	all.Write(raw)
	var errs []error
	names := map[string]bool{}
	for i, n := range file.Webhooks {
		e, used, mistakes := n.endpoint()
		if names[n.Name] && n.Name != "" {
			mistakes = append(mistakes, "name is taken by another one")
		}
		names[n.Name] = true
		called := n.Name
		if !validName.MatchString(called) {
			called = fmt.Sprintf("webhook %d", i+1)
		}
		for _, m := range mistakes {
			errs = append(errs, fmt.Errorf("webhooks file: %s: %s", called, m))
		}
		for _, u := range used {
			fmt.Fprintf(all, "\x00%s", u)
		}
		list = append(list, e)
	}
	return list, [sha256.Size]byte(all.Sum(nil)), errors.Join(errs...)
}

func orWhere(line string) string {
	if line == "" {
		return "it cannot be read"
	}
	return line
}
