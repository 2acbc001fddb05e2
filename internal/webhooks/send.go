package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"issuance/internal/httpcall"
)

// answer is what an endpoint answered.
type answer struct {
	status     int // 0 when no answer came
	took       time.Duration
	text       string // why none came, or what the status means; safe to show
	retryAfter time.Duration
	kind       outcome // delivered, failedTry, postponed or gone
	ours       bool    // postponed because our proxy failed
}

// sender makes single deliveries. Safe for concurrent use.
type sender struct {
	// public reaches no private network, or goes through the proxy; private goes where the endpoint allows it.
	public, private *http.Client
	proxied         bool
	guard           *ssrf.Guardian
	agent           string
	now             func() time.Time
}

// privateV4 and privateV6 are what an endpoint may allow: this machine and private networks. Link-local addresses,
// behind which clouds keep their credentials, are never reached.
var (
	privateV4 = prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
	privateV6 = prefixes("::1/128", "fc00::/7")
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// newSender makes a sender. proxyURL is a proxy for endpoints that are not private, "" for none; what the environment
// says of proxies does not count, because behind one the guard sees nothing.
func newSender(proxyURL, version string, now func() time.Time) (*sender, error) {
	s := &sender{proxied: proxyURL != "", guard: ssrf.New(ssrf.WithAnyPort()), agent: "issuance-webhooks/" + version, now: now}
	o := httpcall.Options{Timeout: timeout, MaxConns: window, Direct: true, Control: s.guard.Safe}
	if s.proxied {
		o = httpcall.Options{Timeout: timeout, MaxConns: window, ProxyURL: proxyURL}
	}
	var err error
	if s.public, err = httpcall.New(o); err != nil {
		return nil, err
	}
	allowing := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(privateV4...), ssrf.WithAllowedV6Prefixes(privateV6...))
	s.private, err = httpcall.New(httpcall.Options{Timeout: timeout, MaxConns: window, Direct: true, Control: allowing.Safe})
	return s, err
}

// close ends idle connections.
func (s *sender) close() {
	s.public.CloseIdleConnections()
	s.private.CloseIdleConnections()
}

// mostAnswer bounds what is read of an answer, which says nothing beyond its status.
const mostAnswer = 16 << 10

// send delivers an event once.
func (s *sender) send(ctx context.Context, e *Endpoint, id string, body []byte) answer {
	at := s.now()
	signature, err := e.sign(id, at, body)
	if err != nil {
		return answer{kind: failedTry, text: "it cannot be signed"}
	}
	client := s.public
	if e.AllowPrivate {
		client = s.private
	} else if ip, err := netip.ParseAddr(e.url.Hostname()); err == nil && s.proxied {
		if err := s.guard.SafeAddr(ip); err != nil { // a name is the proxy's to judge
			return answer{kind: failedTry, text: "cannot connect: " + err.Error()}
		}
	}
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {s.agent}}
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	r := httpcall.Post(ctx, client, e.url.String(), header, body, mostAnswer)
	a := answer{status: r.Status, took: s.now().Sub(at), retryAfter: r.RetryAfter, kind: failedTry}
	var failure *httpcall.Error
	switch {
	case r.Status/100 == 2:
		a.kind = delivered // whatever became of the rest of the answer
	case r.Status == http.StatusGone:
		a.kind, a.text = gone, "it wants no more events"
	case r.Status/100 == 3:
		a.text = "a redirect, which is not followed"
	case r.Status != 0:
		a.text = fmt.Sprintf("HTTP %d", r.Status)
	case errors.As(r.Err, &failure):
		a.text = failure.Error()
		if failure.Code == httpcall.CodeProxy {
			a.kind, a.ours = postponed, true
		}
		if failure.Code == httpcall.CodeCanceled {
			a.kind = postponed
		}
	}
	return a
}
