package httpcall

import (
	"net/http"
	"sync"
)

// Pool shares connections among many accounts: one transport for each proxy, which keeps connections for each host. The
// zero value is ready. Safe for concurrent use.
type Pool struct {
	mu         sync.Mutex
	transports map[string]*http.Transport
}

// poolConns is far more than calls are under way at the same time: in a pool no account's calls wait for another's.
const poolConns = 4096

// Transport returns the transport for calls through a proxy, or through what HTTPS_PROXY and NO_PROXY say for "". The
// error says what is wrong with the proxy's URL, without its password.
func (p *Pool) Transport(proxyURL string) (http.RoundTripper, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.transports[proxyURL]; t != nil {
		return t, nil
	}
	c, err := New(Options{ProxyURL: proxyURL, MaxConns: poolConns})
	if err != nil {
		return nil, err
	}
	t := c.Transport.(*http.Transport) // as New makes it
	t.MaxIdleConnsPerHost = 64
	if p.transports == nil {
		p.transports = map[string]*http.Transport{}
	}
	p.transports[proxyURL] = t
	return t, nil
}

// Close closes idle connections.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.transports {
		t.CloseIdleConnections()
	}
}
