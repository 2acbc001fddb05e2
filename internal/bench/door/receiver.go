package door

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"issuance/internal/thinevent"
	"issuance/tasks/order"
)

// Receiver is an endpoint that answers at once. It remembers of each order how far its events came, in two bytes.
type Receiver struct {
	took times // from expect to the delivery

	mu       sync.Mutex
	expected map[int]time.Time
	ended    []bool // by order
	reviewed []bool
	got      int // events, each once
	twice    int // events that came again
	wrong    int // reviews that came after the end
	signal   chan struct{}
}

func newReceiver(orders int) *Receiver {
	return &Receiver{expected: map[int]time.Time{}, ended: make([]bool, orders), reviewed: make([]bool, orders), signal: make(chan struct{}, 1)}
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var e thinevent.Event
	err := json.NewDecoder(req.Body).Decode(&e)
	n, numberErr := strconv.Atoi(strings.TrimPrefix(e.Data.OrderID, "W"))
	if err != nil || numberErr != nil || n < 0 || n >= len(r.ended) {
		http.Error(w, "no event of the benchmark", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if since, ok := r.expected[n]; ok {
		r.took.add(time.Since(since))
		delete(r.expected, n)
	}
	seen := &r.ended[n]
	if e.Data.State == order.Review {
		seen = &r.reviewed[n]
		if r.ended[n] && !*seen {
			r.wrong++
		}
	}
	if *seen {
		r.twice++
		return
	}
	*seen = true
	r.got++
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

func (r *Receiver) expect(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected[n] = time.Now()
}

// Got is how many different events came, how many came again, and how many came behind a later one of their order.
func (r *Receiver) Got() (events, again, wrong int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got, r.twice, r.wrong
}

// stuck is how long nothing may come.
const stuck = 30 * time.Second

// wait waits until so many events came.
func (r *Receiver) wait(ctx context.Context, events int) error {
	for {
		got, _, _ := r.Got()
		if got >= events {
			return nil
		}
		select {
		case <-r.signal:
		case <-time.After(stuck):
			return fmt.Errorf("%d of %d events came, and none for %s", got, events, stuck)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
