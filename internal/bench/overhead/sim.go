package overhead

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"issuance/internal/bench/lab"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
)

// A simulator process is asked where its provider is, and how long that is to take for an answer.
type (
	simQuestion struct {
		Kind  string
		Delay time.Duration
	}
	simAnswer struct {
		URL string
		CPU time.Duration
	}
)

// serveSims is the life of the process that plays both providers.
func serveSims(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p2u := pass2usim.New(pass2usim.Config{APIKey: apiKey})
	defer p2u.Close()
	tickets := ecticketsim.New(ecticketsim.Config{Accounts: []ecticketsim.Account{account()}})
	far := &distance{near: map[string]http.Handler{Paper: tickets, Electronic: issued{tickets}, Voucher: p2u}}
	server := &http.Server{Handler: far}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	return lab.Serve(in, out, func(q simQuestion) (simAnswer, error) {
		if far.near[q.Kind] == nil {
			return simAnswer{}, fmt.Errorf("no simulator for %q", q.Kind)
		}
		far.kind, far.delay = q.Kind, q.Delay // nobody calls between the rounds
		a := simAnswer{URL: "http://" + l.Addr().String(), CPU: lab.CPU()}
		if q.Kind == Voucher {
			a.URL += "/api/v1/public/product"
		}
		return a, nil
	})
}

// distance puts the providers as far away as a round wants them.
type distance struct {
	near  map[string]http.Handler
	kind  string
	delay time.Duration
}

func (d *distance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.delay > 0 {
		time.Sleep(d.delay)
	}
	d.near[d.kind].ServeHTTP(w, r)
}

// issued is a provider whose job runs after each request, so that every order is issued when it is asked for first.
type issued struct{ *ecticketsim.Sim }

func (i issued) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.Sim.ServeHTTP(w, r)
	i.RunJob()
}
