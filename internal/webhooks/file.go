package webhooks

import (
	"fmt"
	"log/slog"

	"issuance/internal/listfile"
	"issuance/internal/livefile"
)

// File is the endpoints of a file, which is read again when it, or a file with a secret that it names, changes. Safe
// for concurrent use.
type File struct {
	*livefile.File[[]*Endpoint]
}

// ReadFile reads a webhooks file. The error lists all its mistakes, each with its line and its entry's name, and no secret.
func ReadFile(path string, log *slog.Logger) (*File, error) {
	f, err := livefile.Open(livefile.Config[[]*Endpoint]{Path: path, Name: "webhooks file", Kept: "the endpoints read before", Parse: parse, Log: log,
		Changed: func(list []*Endpoint) { log.Info("webhooks read", "endpoints", len(list)) }})
	if err != nil {
		return nil, err
	}
	return &File{f}, nil
}

// Endpoints are those of the file as it is now. A file that cannot be read, or has mistakes, changes nothing.
func (f *File) Endpoints() []*Endpoint { return f.Current() }

// Find is the endpoint of a name, or nil.
func (f *File) Find(name string) *Endpoint {
	for _, e := range f.Endpoints() {
		if e.Name == name {
			return e
		}
	}
	return nil
}

func parse(raw []byte, read func(string) ([]byte, error)) (list []*Endpoint, err error) {
	file, err := listfile.Parse[entry](raw, "webhooks file", "webhooks")
	if err != nil {
		return nil, err
	}
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
		e := n.Value.endpoint(read, wrong)
		if names[e.Name] && e.Name != "" {
			wrong("name", "name is taken by another one")
		}
		names[e.Name] = true
		list = append(list, e)
	}
	return list, file.Err()
}
