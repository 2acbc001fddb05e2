// Package sandboxfile lets the command line find the sandboxes of this machine, so that a second terminal
// needs no settings: each sandbox's worker writes a small file of its own into the user's cache folder, and
// the command line reads them. It imports nothing of ours.
package sandboxfile

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Info is a file's content. It holds no keys: those are in the sandbox's Redis, and are public.
type Info struct {
	// RedisURL is the sandbox's Redis as REDIS_URL takes it.
	RedisURL string `json:"redis_url,omitempty"`
	// ClusterAddrs is given instead of RedisURL when the sandbox was started on a Redis Cluster.
	ClusterAddrs string `json:"redis_cluster_addrs,omitempty"`
	// PID is the worker's process. Write fills it in when it is 0.
	PID int `json:"pid"`
	// Host is the machine on which the address holds: a home folder may be shared. Write fills it in.
	Host string `json:"host"`
	// Started is when the file was written. Write fills it in.
	Started time.Time `json:"started"`
}

// ErrUntrusted says that another user of this machine could have written the file, or put it there.
var ErrUntrusted = errors.New("it belongs to another user, or is open to others")

// Dir is the folder of the files: issuance in the user's cache folder (~/.cache on Linux, or
// $XDG_CACHE_HOME). Without a cache folder it is an error: a shared folder is no place for it.
func Dir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("sandboxfile: %w", err)
	}
	return filepath.Join(dir, "issuance"), nil
}

// prefix begins the names of the files.
const prefix = "sandbox-"

// Write publishes where a sandbox is, in a file of its own, and removes those of sandboxes that have ended
// without doing so. Call remove when the sandbox ends; it leaves other files alone.
func Write(info Info) (remove func() error, err error) {
	if info.RedisURL == "" && info.ClusterAddrs == "" {
		return nil, errors.New("sandboxfile: no Redis given")
	}
	if info.Host, err = os.Hostname(); err != nil {
		return nil, fmt.Errorf("sandboxfile: %w", err)
	}
	info.PID, info.Started = cmp.Or(info.PID, os.Getpid()), time.Now()
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sandboxfile: %w", err)
	}
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	prune(dir, info.Host)
	path := filepath.Join(dir, prefix+rand.Text()+".json")
	if err := write(path, info); err != nil {
		return nil, fmt.Errorf("sandboxfile: %w", err)
	}
	return func() error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sandboxfile: %w", err)
		}
		return nil
	}, nil
}

// write makes a file under its name when it is whole.
func write(path string, info Info) error {
	raw, err := json.Marshal(info)
	if err != nil {
		return err
	}
	tmp := path + ".new" // no reader's name
	if err := os.WriteFile(tmp, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// List says where the sandboxes of this machine were when they started, the latest first; some may have
// ended since. The error is fs.ErrNotExist when there is none. A file or folder that other users could have
// written is left out: it could lead orders into another user's Redis. It is ErrUntrusted when nothing else
// is there.
func List() ([]Info, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("sandboxfile: %w", err)
	}
	var out []Info
	var wrong error
	for _, path := range files(dir) {
		info, err := read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // its sandbox has just ended
		case err != nil:
			wrong = err
		case info.Host == host:
			out = append(out, info)
		}
	}
	slices.SortFunc(out, func(a, b Info) int { return b.Started.Compare(a.Started) })
	switch {
	case len(out) > 0:
		return out, nil
	case wrong != nil:
		return nil, wrong
	}
	return nil, fmt.Errorf("sandboxfile: %w", fs.ErrNotExist)
}

func files(dir string) []string {
	paths, _ := filepath.Glob(filepath.Join(dir, prefix+"*.json")) // the pattern is well-formed
	return paths
}

// checkFolder is nil for a folder that only this process's user can write to.
func checkFolder(dir string) error {
	stat, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("sandboxfile: %w", err)
	}
	if !stat.IsDir() || !ours(stat, 0o022) {
		return fmt.Errorf("sandboxfile: %s: %w; remove it", dir, ErrUntrusted)
	}
	return nil
}

func read(path string) (Info, error) {
	f, err := openNoFollow(path)
	if err != nil {
		return Info{}, fmt.Errorf("sandboxfile: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Info{}, fmt.Errorf("sandboxfile: %w", err)
	}
	if !stat.Mode().IsRegular() || !ours(stat, 0o077) {
		return Info{}, fmt.Errorf("sandboxfile: %s: %w; remove it", path, ErrUntrusted)
	}
	var info Info
	if err := json.NewDecoder(f).Decode(&info); err != nil || info.RedisURL == "" && info.ClusterAddrs == "" {
		return Info{}, fmt.Errorf("sandboxfile: %s is damaged; remove it", path)
	}
	return info, nil
}

// prune removes the files of this machine's sandboxes whose process is gone.
func prune(dir, host string) {
	for _, path := range files(dir) {
		if info, err := read(path); err == nil && info.Host == host && gone(info.PID) {
			_ = os.Remove(path) // one that stays is not used, because nothing answers there
		}
	}
}
