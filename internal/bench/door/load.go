package door

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Load is how orders are put.
type Load struct {
	Requests, Connections int
	// Order is the n-th order's number and request.
	Order func(n int) (number string, request []byte)
}

// Speed is what a load took.
type Speed struct {
	PerSecond float64
	P99       time.Duration
}

// Put puts orders into a front door, or a bare handler (token ""), and checks that each is new there.
func (l Load) Put(ctx context.Context, url, token string) (Speed, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: l.Connections, MaxConnsPerHost: l.Connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	took := make([]time.Duration, l.Requests)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for range l.Connections {
		group.Go(func() error {
			for n := int(next.Add(1)) - 1; n < l.Requests; n = int(next.Add(1)) - 1 {
				number, request := l.Order(n)
				sent := time.Now()
				if err := put(ctx, client, url+"/v1/orders/"+Account+"/"+number, token, request); err != nil {
					return err
				}
				took[n] = time.Since(sent)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Speed{}, err
	}
	all := time.Since(began)
	return Speed{float64(l.Requests) / all.Seconds(), p99(took)}, nil
}

func put(ctx context.Context, client *http.Client, url, token string, request []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(request))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("PUT %s: %s", url, res.Status)
	}
	return nil
}

// p99 sorts durations and is their 99th percentile, 0 of none.
func p99(took []time.Duration) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// times are durations that come from many goroutines.
type times struct {
	mu   sync.Mutex
	list []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, d)
}

// take is what came since the last take.
func (t *times) take() []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.list
	t.list = nil
	return out
}
