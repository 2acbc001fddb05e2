package webhooks

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// An endpoint on a private network is not reached unless it is allowed to be there, whatever its name says: the
// address is looked at when the connection is made. Where clouds keep their credentials is never reached.
func TestPrivateNetworksAreReachedOnlyWhereAllowed(t *testing.T) {
	r := receive(t, nil)
	port := r.URL[strings.LastIndexByte(r.URL, ':'):]
	for _, c := range []struct {
		host    string
		private bool
		reached bool
	}{
		{"127.0.0.1" + port, false, false},
		{"localhost" + port, false, false}, // as a name that was made to point here
		{"[::ffff:127.0.0.1]" + port, false, false},
		{"127.0.0.1" + port, true, true},
		{"localhost" + port, true, true},
		{"169.254.169.254", false, false},
		{"169.254.169.254", true, false},
		{"[fe80::1]", true, false},
		{"10.255.255.1", false, false},
	} {
		s, err := newSender("", "test", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		e := &Endpoint{Name: "shop", AllowPrivate: c.private, url: &url.URL{Scheme: "http", Host: c.host}}
		before := len(r.all())
		a := s.send(t.Context(), e, "id", []byte("{}"))
		s.close()
		if (a.kind == delivered) != c.reached || (len(r.all()) > before) != c.reached {
			t.Errorf("%s, private %t: %+v", c.host, c.private, a)
		}
		if !c.reached && (a.kind != failedTry || !strings.Contains(a.text, "cannot connect")) {
			t.Errorf("%s, private %t: %+v", c.host, c.private, a)
		}
	}
}

// A name that leads to a public address for a look-up and to a private one for the connection is refused: nothing is
// decided by a look-up of its own.
func TestOnlyTheDialedAddressCounts(t *testing.T) {
	s, err := newSender("", "test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	control := s.guard.Safe
	for address, good := range map[string]bool{"192.0.2.1:443": false, "127.0.0.1:443": false, "8.8.8.8:443": true, "8.8.8.8:8443": true,
		"[2001:4860:4860::8888]:443": true, "[::1]:443": false, "[fd00::1]:443": false, "100.64.0.1:443": false} {
		network := "tcp4"
		if strings.HasPrefix(address, "[") {
			network = "tcp6"
		}
		if err := control(network, address, nil); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A failure of our own proxy is not the endpoint's: it counts no try and no failure, and is reported once.
func TestOurProxysFailureIsNotTheEndpoints(t *testing.T) {
	var answers int
	proxy := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		answers++
		w.WriteHeader(http.StatusBadGateway)
	})
	h := open(t, strings.Replace(entryFor("shop", "https://shop.example"), "allow_private: true", "allow_private: false", 1))
	h.Dispatcher = h.dispatcher("http://user:proxy-password-canary@"+strings.TrimPrefix(proxy, "http://"), h.now)
	h.cancelled("A1")
	for range 12 {
		h.settle()
		h.pass(ownFault)
	}
	if s := h.state("shop"); s.Fails != 0 || s.Outstanding != 1 || s.Word() != "ok" || !strings.Contains(s.Text, "proxy refused") {
		t.Errorf("%+v", s)
	}
	if answers != 12 {
		t.Errorf("%d tries", answers)
	}
	if n := strings.Count(h.log.String(), "the webhooks' proxy fails"); n != 1 || strings.Contains(h.log.String(), "password-canary") {
		t.Errorf("%d alarms: %s", n, h.log)
	}
	b, err := h.store.begin(t.Context(), "shop", "ecticket:2000132/A1/cancelled/1")
	h.must(err)
	if h.step(); b != nil && b.tries != 0 {
		t.Errorf("%d tries are counted", b.tries)
	}
}

// A proxy that is not there is no failure of the endpoint, either, and an address that is private by itself is not
// asked of it.
func TestAProxyIsAskedForNoPrivateAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nothing listens there now
	s, err := newSender("http://"+l.Addr().String(), "test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for host, kind := range map[string]outcome{"shop.example": postponed, "127.0.0.1": failedTry, "[fd00::1]": failedTry} {
		a := s.send(t.Context(), &Endpoint{url: &url.URL{Scheme: "https", Host: host}}, "id", nil)
		if a.kind != kind || a.ours != (kind == postponed) {
			t.Errorf("%s: %+v", host, a)
		}
	}
}

// What a delivery's failure says holds nothing of the URL beyond the host, and nothing of the answer.
func TestAFailureSaysNothingSecret(t *testing.T) {
	s, err := newSender("", "test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	garbage := httpServer(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, _ := w.(http.Hijacker).Hijack()
		fmt.Fprint(c, "answer-canary\r\n\r\n")
		c.Close()
	})
	for _, base := range []string{garbage, "http://127.0.0.1:1"} {
		u, err := url.Parse(base + "/" + pathWord + "?token=" + pathWord)
		if err != nil {
			t.Fatal(err)
		}
		a := s.send(t.Context(), &Endpoint{AllowPrivate: true, url: u}, "id", nil)
		if a.kind != failedTry || a.text == "" {
			t.Errorf("%s: %+v", base, a)
		}
		for _, c := range canaries {
			if strings.Contains(a.text, c) {
				t.Errorf("%s: %s", base, a.text)
			}
		}
	}
}
