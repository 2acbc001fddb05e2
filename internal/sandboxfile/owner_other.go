//go:build !unix

package sandboxfile

import (
	"io/fs"
	"os"
)

// ours is true: the cache folder is the user's own by the system's access lists.
func ours(fs.FileInfo, fs.FileMode) bool { return true }

func openNoFollow(path string) (*os.File, error) { return os.Open(path) }

// gone is false: an old file names a Redis that does not answer, which is found out when it is used.
func gone(int) bool { return false }
