//go:build unix

package sandboxfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// ours reports whether a file belongs to this process's user, root included, and others have none of the
// given permissions.
func ours(stat fs.FileInfo, forbidden fs.FileMode) bool {
	sys, ok := stat.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid() && stat.Mode().Perm()&forbidden == 0
}

// openNoFollow opens a file that is no link, and does not wait for a pipe's other end.
func openNoFollow(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrUntrusted}
	}
	return f, err
}

// gone reports whether no process has this id.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
