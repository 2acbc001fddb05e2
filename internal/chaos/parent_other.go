//go:build !linux

package chaos

import "os/exec"

// dieWithParent has no counterpart here: a test binary that is killed leaves its workers behind.
func dieWithParent(*exec.Cmd) {}
