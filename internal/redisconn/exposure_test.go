package redisconn

import (
	"net"
	"strings"
	"testing"

	"issuance/internal/testredis"
)

// elsewhere is an address of this machine that is not on the loopback, so that a Redis there is like one on
// another host.
func elsewhere(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but the loopback's")
	return ""
}

// forwarded makes a server that listens on the loopback reachable under another address.
func forwarded(t *testing.T, host, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go relay(c, to)
		}
	}()
	return l.Addr().String()
}

func relay(c net.Conn, to string) {
	defer c.Close()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	go func() { _, _ = s.(*net.TCPConn).ReadFrom(c); _ = s.Close() }()
	_, _ = c.(*net.TCPConn).ReadFrom(s)
}

// A Redis on another host that wants no password, or is reached in the clear, is warned of; one on this machine
// is not.
func TestExposure(t *testing.T) {
	s := testredis.Start(t)
	if s.Kind != testredis.Real {
		t.Skip("only a real redis-server has users")
	}
	a := newAuthority(t)
	a.issue(t, "server")
	a.issue(t, "client")
	addr := forwarded(t, elsewhere(t), s.Addr)
	mutual := forwarded(t, elsewhere(t), secured(t, a))
	if err := s.Client().Do(t.Context(), "CONFIG", "SET", "protected-mode", "no").Err(); err != nil {
		t.Fatal(err)
	}
	codes := func(url string, private bool) string {
		t.Helper()
		o, err := Parse(Source{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, w := range Exposure(t.Context(), o, private) {
			if w.Text == "" || w.Fix == "" || strings.Contains(w.String(), "pw") {
				t.Errorf("%s", w)
			}
			out = append(out, string(w.Code))
		}
		return strings.Join(out, " ")
	}
	expect := func(url string, private bool, want string) {
		t.Helper()
		if got := codes(url, private); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	expect("redis://"+addr, false, "no-password plaintext")
	expect("redis://"+addr, true, "no-password")
	expect("redis://"+s.Addr, false, "")
	expect("unix:///nowhere/redis.sock", false, "")
	// Credentials in the URL of a server that wants none protect nothing.
	expect("redis://app:pw@"+addr, true, "no-password")
	if err := s.Client().Do(t.Context(), "ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Client().Do(t.Context(), "ACL", "SETUSER", "default", "off").Err(); err != nil {
		t.Fatal(err)
	}
	expect("redis://app:pw@"+addr, false, "plaintext")
	expect("redis://app:pw@"+addr, true, "")
	// A server that wants a certificate lets nobody in without it.
	tls := "rediss://" + mutual + "?ca_file=" + a.file("ca.crt") + "&cert_file=" + a.file("client.crt") + "&key_file=" + a.file("client.key")
	expect(tls, false, "")
}
