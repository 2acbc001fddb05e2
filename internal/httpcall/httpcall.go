// Package httpcall makes one HTTP POST to a provider and reports, besides the answer, whether any
// byte of the request may have left this machine: after a failure, that alone decides whether the
// call may be repeated or has to be looked up first.
//
// Redirects are not followed, HTTP/2 is not used (its transparent replays would be calls that the
// call budget does not count), the answer's size is bounded, and no error text holds a URL's
// credentials, a header or a body. It imports internal/tlstext and
// internal/tracing; no traceparent is sent to a provider.
package httpcall

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"

	"issuance/internal/tracing"
)

// Options of a client.
type Options struct {
	// Timeout covers one whole call, from waiting for a connection to the answer's last
	// byte. Default 20 s.
	Timeout time.Duration
	// ProxyURL sends calls through a proxy: http://, https:// or socks5://, with
	// user:password where it needs them. Default: what HTTPS_PROXY and NO_PROXY say.
	ProxyURL string
	// Direct uses no proxy, whatever the environment says.
	Direct bool
	// Control is asked before each connection, about the address that the name has led to; its error refuses it.
	// Default: every address is good. (A proxy's address is one, too.)
	Control func(network, address string, c syscall.RawConn) error
	// MaxConns bounds the connections to one host; further calls wait. Default 32.
	MaxConns int
}

// New returns a client for Post. It is safe for concurrent use; make one per provider account
// and keep it. The error says what is wrong with the proxy's URL, without its password.
func New(o Options) (*http.Client, error) {
	if o.Timeout <= 0 {
		o.Timeout = 20 * time.Second
	}
	if o.MaxConns <= 0 {
		o.MaxConns = 32
	}
	proxy := http.ProxyFromEnvironment
	if o.Direct {
		proxy = nil
	}
	if o.ProxyURL != "" {
		u, err := CheckProxyURL(o.ProxyURL)
		if err != nil {
			return nil, fmt.Errorf("the proxy's URL %w", err)
		}
		proxy = http.ProxyURL(u)
	}
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: noRedirect,
		Transport: &http.Transport{
			Proxy:                  proxy,
			OnProxyConnectResponse: proxyAnswered,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second, Control: o.Control}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			MaxConnsPerHost:        o.MaxConns,
			MaxIdleConnsPerHost:    o.MaxConns,
			// Short, because a call on a connection that the server is just closing has an
			// unknown outcome.
			IdleConnTimeout:        20 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			Protocols:              http1(),
		},
	}, nil
}

func http1() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	return &p
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Response is how one call ended.
type Response struct {
	// Status is the HTTP status, 0 when no answer began.
	Status int
	// Body is the whole answer; nil when Err is set.
	Body []byte
	// RetryAfter is the answer's Retry-After, at most MaxRetryAfter; 0 without one.
	RetryAfter time.Duration
	// Date is the answer's own time, to a second; zero when it has none.
	Date time.Time
	// Sent is false only when certainly no byte of the request has left this machine:
	// name lookup, connecting or the TLS handshake failed, or the context ended before.
	Sent bool
	// Err is nil, or an *Error. With a Status, the answer began and could not be read to its end.
	Err error
}

// Post makes one call. The header is sent as given; Content-Type is the caller's. An answer
// longer than maxBody bytes is an error. It never calls twice and never follows a redirect,
// whatever the client says: a redirect is an answer with its 3xx status.
func Post(ctx context.Context, client *http.Client, url string, header http.Header, body []byte, maxBody int64) Response {
	if err := ctx.Err(); err != nil {
		return Response{Err: describe(err, false)}
	}
	ctx, span := tracing.Child(ctx, tracing.Client, "HTTP", http.MethodPost)
	r := post(ctx, client, url, header, body, maxBody)
	span.Set(tracing.Method(http.MethodPost), tracing.Status(r.Status))
	span.End(r.Err)
	return r
}

func post(ctx context.Context, client *http.Client, url string, header http.Header, body []byte, maxBody int64) Response {
	var asked, got atomic.Bool
	var tlsFailed atomic.Pointer[Error]
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				tlsFailed.Store(handshakeFailed(err))
			}
		},
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return Response{Err: &Error{Code: CodeBadURL, text: "the URL is malformed"}}
	}
	req.Header = header.Clone()

	c := *client
	c.CheckRedirect, c.Jar = noRedirect, nil
	res, err := c.Do(req)
	if err != nil {
		// A transport that is not the standard one may send without calling the trace.
		_, standard := c.Transport.(*http.Transport)
		known := standard || c.Transport == nil || asked.Load()
		sent := got.Load() || !known
		e := describe(err, sent)
		if failed := tlsFailed.Load(); failed != nil && e.Code == CodeConnect {
			e = failed
		}
		return Response{Sent: sent, Err: e}
	}
	defer res.Body.Close()
	r := Response{Status: res.StatusCode, Sent: true, RetryAfter: retryAfter(res.Header, time.Now()), Date: date(res.Header)}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		r.Err = describe(err, true)
	case int64(len(b)) > maxBody:
		r.Err = &Error{Code: CodeTooLarge, text: fmt.Sprintf("the answer is longer than %d bytes", maxBody)}
	default:
		r.Body = b
	}
	return r
}

// proxyRefused is a proxy's answer to CONNECT other than 200.
type proxyRefused struct{ status int }

func (e *proxyRefused) Error() string {
	return fmt.Sprintf("the proxy refused the connection with HTTP %d", e.status)
}

func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode != http.StatusOK {
		return &proxyRefused{res.StatusCode}
	}
	return nil
}
