package chaos

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the worker when the test binary dies before its cleanups.
func dieWithParent(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
