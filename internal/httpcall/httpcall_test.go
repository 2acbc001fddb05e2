package httpcall_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"issuance/internal/httpcall"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, o httpcall.Options) *http.Client {
	t.Helper()
	c, err := httpcall.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// raw answers every connection with whatever serve does, and counts connections.
func raw(t *testing.T, serve func(net.Conn)) (url string, conns *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String(), conns
}

func readRequest(c net.Conn) {
	if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		io.Copy(io.Discard, r.Body)
	}
}

func code(err error) string {
	var e *httpcall.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return "not an *Error"
}

func TestPostHandsOverTheAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || string(b) != "question" || r.Header.Get("Authorization") != "k" || r.ProtoMajor != 1 {
			t.Errorf("%s %q %v", r.Method, b, r.Header)
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(503)
		io.WriteString(w, "answer")
	}))
	defer srv.Close()
	r := httpcall.Post(context.Background(), client(t, httpcall.Options{}), srv.URL, http.Header{"Authorization": {"k"}}, []byte("question"), 6)
	if r.Err != nil || r.Status != 503 || string(r.Body) != "answer" || !r.Sent || r.RetryAfter != 7*time.Second {
		t.Fatalf("%+v", r)
	}
}

func TestRedirectIsAnAnswerAndIsNotFollowed(t *testing.T) {
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	c := client(t, httpcall.Options{})
	c.CheckRedirect = nil // not even when the given client would
	r := httpcall.Post(context.Background(), c, srv.URL, nil, nil, 1000)
	if r.Status != 307 || calls.Load() != 1 {
		t.Fatalf("status %d after %d calls", r.Status, calls.Load())
	}
}

func TestTooLongAnswerIsAnErrorOfASentCall(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "123456789") }))
	defer srv.Close()
	r := httpcall.Post(context.Background(), client(t, httpcall.Options{}), srv.URL, nil, nil, 8)
	if code(r.Err) != httpcall.CodeTooLarge || !r.Sent || r.Body != nil || r.Status != 200 {
		t.Fatalf("%+v", r)
	}
}

func TestWhatNeverLeftIsNotSent(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused := closed.Addr().String()
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(407) }))
	defer refusing.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	hungUp := hangsUp(t)

	for _, tc := range []struct {
		name, url, proxy, code string
		ctx                    context.Context
	}{
		{"refused connection", "http://user:hunter2@" + unused, "", httpcall.CodeConnect, nil},
		{"plain text where TLS was expected", "https://" + plain.Listener.Addr().String(), "", httpcall.CodeTLS, nil},
		{"closed during the TLS handshake", "https://" + hungUp.Addr().String(), "", httpcall.CodeConnect, nil},
		{"certificate of an unknown authority", untrusted.URL, "", httpcall.CodeTLS, nil},
		{"proxy down", "https://example.invalid", "http://user:hunter2@" + unused, httpcall.CodeProxy, nil},
		{"proxy refuses", "https://example.invalid", strings.Replace(refusing.URL, "//", "//user:hunter2@", 1), httpcall.CodeProxy, nil},
		{"context ended before", plain.URL, "", httpcall.CodeCanceled, ended},
		{"malformed URL", "http://host:port:hunter2/", "", httpcall.CodeBadURL, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := tc.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			r := httpcall.Post(ctx, client(t, httpcall.Options{ProxyURL: tc.proxy}), tc.url, http.Header{"Authorization": {"hunter2"}}, []byte("hunter2"), 100)
			if r.Sent || r.Err == nil || r.Status != 0 {
				t.Fatalf("%+v", r)
			}
			if got := code(r.Err); got != tc.code {
				t.Errorf("code %q, want %q (%v)", got, tc.code, r.Err)
			}
			if strings.Contains(r.Err.Error(), "hunter2") {
				t.Errorf("leaks: %v", r.Err)
			}
		})
	}
}

func TestTLSOlderThan12IsRefused(t *testing.T) {
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true} {
		srv := httptest.NewUnstartedServer(http.NotFoundHandler())
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
		srv.StartTLS()
		defer srv.Close()
		c := client(t, httpcall.Options{})
		c.Transport.(*http.Transport).TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		r := httpcall.Post(context.Background(), c, srv.URL, nil, nil, 100)
		if r.Sent != ok || (r.Status == 404) != ok || !ok && code(r.Err) != httpcall.CodeTLS {
			t.Errorf("version %x: %+v", version, r)
		}
	}
}

// hangsUp closes every connection before it says anything.
func hangsUp(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l
}

// An old load balancer offers TLS 1.2 with RSA key exchange only. That is another fault than an old
// version of TLS, and another remedy.
func TestWhatTLSLacksIsSaid(t *testing.T) {
	for _, tc := range []struct {
		name, says, saysNot string
		config              *tls.Config
	}{
		{"RSA key exchange only", "share no cipher suite", "TLS 1.2 or newer",
			&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_CBC_SHA}}},
		{"TLS 1.1 only", "TLS 1.2 or newer", "cipher", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
	} {
		srv := httptest.NewUnstartedServer(http.NotFoundHandler())
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.TLS = tc.config
		srv.StartTLS()
		defer srv.Close()
		c := client(t, httpcall.Options{})
		c.Transport.(*http.Transport).TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		r := httpcall.Post(context.Background(), c, srv.URL, nil, nil, 100)
		if r.Sent || code(r.Err) != httpcall.CodeTLS || !strings.Contains(r.Err.Error(), tc.says) || strings.Contains(r.Err.Error(), tc.saysNot) {
			t.Errorf("%s: %+v", tc.name, r)
		}
	}
}

// What the text about a host with RSA key exchange only advises helps.
func TestTheAdviceForRSAKeyExchangeHelps(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}
	srv.StartTLS()
	defer srv.Close()
	t.Setenv("GODEBUG", "tlsrsakex=1")
	c := client(t, httpcall.Options{})
	c.Transport.(*http.Transport).TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if r := httpcall.Post(context.Background(), c, srv.URL, nil, nil, 100); r.Err != nil || r.Status != http.StatusNotFound {
		t.Errorf("%+v", r)
	}
}

func TestTheAnswersDateIsHandedOver(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", at.Format(http.TimeFormat))
		w.Header().Set("Retry-After", at.Add(90*time.Second).Format(http.TimeFormat))
		w.WriteHeader(429)
	}))
	defer srv.Close()
	r := httpcall.Post(context.Background(), client(t, httpcall.Options{}), srv.URL, nil, nil, 8)
	if !r.Date.Equal(at) || r.RetryAfter != 90*time.Second {
		t.Fatalf("%+v", r)
	}
}

func TestBrokenAndLateAnswersAreOfSentCallsAndAreNotRepeated(t *testing.T) {
	hang := make(chan struct{})
	for _, tc := range []struct {
		name, code string
		serve      func(net.Conn)
	}{
		{"closed without an answer", httpcall.CodeBroken, readRequest},
		{"closed before the request was read", httpcall.CodeBroken, func(net.Conn) {}},
		{"half an answer", httpcall.CodeBroken, func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhunter2")
		}},
		{"not HTTP", httpcall.CodeBroken, func(c net.Conn) { readRequest(c); io.WriteString(c, "hunter2 hunter2\r\n\r\n") }},
		{"no answer", httpcall.CodeTimeout, func(c net.Conn) { readRequest(c); <-hang }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url, conns := raw(t, tc.serve)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if tc.code == httpcall.CodeTimeout {
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				defer close(hang)
			}
			r := httpcall.Post(ctx, client(t, httpcall.Options{}), url, nil, []byte("body"), 1000)
			if !r.Sent || code(r.Err) != tc.code || conns.Load() != 1 {
				t.Fatalf("sent %t, code %q, %d connections: %v", r.Sent, code(r.Err), conns.Load(), r.Err)
			}
			if strings.Contains(r.Err.Error(), "hunter2") {
				t.Errorf("leaks: %v", r.Err)
			}
			if tc.code == httpcall.CodeTimeout && !errors.Is(r.Err, context.DeadlineExceeded) {
				t.Errorf("%v is no deadline", r.Err)
			}
		})
	}
}

type unknownTransport struct{}

func (unknownTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("token hunter2")
}

func TestAnUnknownTransportIsAssumedToHaveSent(t *testing.T) {
	r := httpcall.Post(context.Background(), &http.Client{Transport: unknownTransport{}}, "http://x.invalid", nil, nil, 1)
	if !r.Sent || strings.Contains(r.Err.Error(), "hunter2") {
		t.Fatalf("%+v", r)
	}
}
