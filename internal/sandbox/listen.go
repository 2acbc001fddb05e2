package sandbox

import (
	"errors"
	"net"
	"strconv"
	"syscall"
)

// nearby is how many ports above the wished one are tried.
const nearby = 50

// ListenNear listens on addr or, when its port is taken, on the next free one above it.
func ListenNear(network, addr string) (net.Listener, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return net.Listen(network, addr) // a named port
	}
	l, err := net.Listen(network, addr)
	for i := 1; i <= nearby && port != 0 && port+i < 1<<16 && errors.Is(err, syscall.EADDRINUSE); i++ {
		l, err = net.Listen(network, net.JoinHostPort(host, strconv.Itoa(port+i)))
	}
	return l, err
}

// Reachable is an address that a program on this machine can call: one that listens on every
// interface is reached on the loopback.
func Reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func samePort(a, b string) bool {
	_, x, errX := net.SplitHostPort(a)
	_, y, errY := net.SplitHostPort(b)
	return errX == nil && errY == nil && x == y
}
