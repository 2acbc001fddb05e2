package webhooks

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"

	"go.yaml.in/yaml/v3"

	"issuance/internal/livefile"
)

// File is the endpoints of a file, which is read again when it, or a file with a secret that it names, changes. Safe
// for concurrent use.
type File struct {
	*livefile.File[[]*Endpoint]
}

// ReadFile reads a webhooks file. The error lists all its mistakes, each with its entry's name, and no secret.
func ReadFile(path string, log *slog.Logger) (*File, error) {
	f, err := livefile.Open(livefile.Config[[]*Endpoint]{Path: path, Name: "webhooks file", Kept: "the endpoints read before", Most: mostFile, Parse: parse, Log: log,
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

// mostFile bounds a webhooks file, in bytes.
const mostFile = 1 << 20

var yamlLine = regexp.MustCompile(`line \d+`)

func parse(raw []byte, read func(string) ([]byte, error)) (list []*Endpoint, err error) {
	var file struct {
		Webhooks []entry `yaml:"webhooks"`
	}
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		// (The library's own words may repeat a secret.)
		return nil, fmt.Errorf("webhooks file: %s: it must be YAML: webhooks: [{name, url, secret or secret_file, previous_secret_file, events, accounts, allow_private}]",
			orWhere(yamlLine.FindString(err.Error())))
	}
	var errs []error
	names := map[string]bool{}
	for i, n := range file.Webhooks {
		e, mistakes := n.endpoint(read)
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
		list = append(list, e)
	}
	return list, errors.Join(errs...)
}

func orWhere(line string) string {
	if line == "" {
		return "it cannot be read"
	}
	return line
}
