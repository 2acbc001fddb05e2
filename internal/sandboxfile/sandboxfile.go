// Package sandboxfile lets the command line find the sandbox of this machine, so that a second terminal
// needs no settings: the sandbox's worker writes a small file into the user's cache folder, and the
// command line reads it. It imports nothing of ours.
package sandboxfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Info is the file's content. It holds no keys: those are in the sandbox's Redis, and are public.
type Info struct {
	// RedisURL is the sandbox's Redis as REDIS_URL takes it.
	RedisURL string `json:"redis_url,omitempty"`
	// ClusterAddrs is given instead of RedisURL when the sandbox was started on a Redis Cluster.
	ClusterAddrs string `json:"redis_cluster_addrs,omitempty"`
	// PID is the worker's process. Write fills it in when it is 0.
	PID int `json:"pid"`
}

// ErrUntrusted says that another user of this machine could have written the file.
var ErrUntrusted = errors.New("the file is open to other users of this machine")

// Path is where the file is: issuance/sandbox.json in the user's cache folder
// (~/.cache on Linux, or $XDG_CACHE_HOME), or in the temporary folder when there is none.
func Path() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "issuance", "sandbox.json")
}

// Write publishes where the sandbox is. Readers see the old file or the new one, never half of it;
// of two sandboxes the one that started last is found.
func Write(info Info) error {
	if info.RedisURL == "" && info.ClusterAddrs == "" {
		return errors.New("sandboxfile: no Redis given")
	}
	if info.PID == 0 {
		info.PID = os.Getpid()
	}
	raw, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("sandboxfile: %w", err)
	}
	path := Path()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("sandboxfile: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "sandbox-*.json") // mode 0600
	if err != nil {
		return fmt.Errorf("sandboxfile: %w", err)
	}
	_, err = tmp.Write(append(raw, '\n'))
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("sandboxfile: %w", err)
	}
	return nil
}

// Read says where the sandbox was when it started; it may have ended since. The error is
// fs.ErrNotExist when there is no file, and ErrUntrusted when other users may open it: in a shared
// temporary folder it could lead orders into another user's Redis.
func Read() (Info, error) {
	f, err := os.Open(Path())
	if err != nil {
		return Info{}, fmt.Errorf("sandboxfile: %w", err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return Info{}, fmt.Errorf("sandboxfile: %w", err)
	}
	// This process has read it, so if group and others may not, its user is the owner.
	if runtime.GOOS != "windows" && stat.Mode().Perm()&0o077 != 0 {
		return Info{}, fmt.Errorf("sandboxfile: %s: %w; remove it", Path(), ErrUntrusted)
	}
	var info Info
	if err := json.NewDecoder(f).Decode(&info); err != nil || info.RedisURL == "" && info.ClusterAddrs == "" {
		return Info{}, fmt.Errorf("sandboxfile: %s is damaged; remove it", Path())
	}
	return info, nil
}

// Remove deletes the file when this process wrote it. A sandbox that started later keeps its
// own, and a file that is gone is no error.
func Remove() error {
	info, err := Read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.PID != os.Getpid() {
		return nil
	}
	if err := os.Remove(Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sandboxfile: %w", err)
	}
	return nil
}
