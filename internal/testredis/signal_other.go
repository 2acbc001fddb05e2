//go:build !unix

package testredis

import "errors"

func (p *process) stop() error { return errors.New("a process cannot be frozen on this system") }
func (p *process) cont() error { return p.stop() }
