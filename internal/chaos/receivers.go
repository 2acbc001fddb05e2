package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"issuance/internal/thinevent"
)

// Receiver is an endpoint of webhooks, as a shop has one: it verifies each delivery by the library of Standard
// Webhooks. A flaky one fails three of ten, a slow one takes its time for each. Safe for concurrent use.
type Receiver struct {
	name   string
	seed   uint64
	flaky  bool
	slow   time.Duration
	script func(id string, try int) string // decides instead, when set
	verify *standardwebhooks.Webhook
	server *httptest.Server

	mu       sync.Mutex
	arrivals []arrival
	tries    map[string]int // by event
	tally    map[string]int // what was answered
	unsigned []string       // why deliveries could not be verified
}

// What a receiver answers.
const (
	taken       = "204"
	unavailable = "503"
	hangUp      = "hang-up"
	hangUpAfter = "hang-up after it was taken"
	timeout     = "timeout"
	throttled   = "429" // with Retry-After
	unverified  = "400"
)

// mostFailures is how often a receiver fails for one event: less often than the schedule has tries, so that none is
// given up.
const mostFailures = 7

// failures are the ways in which a flaky receiver fails.
var failures = []string{unavailable, hangUp, hangUpAfter, timeout, throttled}

// arrival is a delivery that was verified.
type arrival struct {
	id       string
	event    thinevent.Event
	body     string
	accepted bool // whether or not the answer came back
}

// slowReceiver is how long a slow receiver takes, which is more than the front doors take for slow.
const slowReceiver = 250 * time.Millisecond

func newReceiver(name string, seed uint64, key string) (*Receiver, error) {
	v, err := standardwebhooks.NewWebhook("whsec_" + key)
	if err != nil {
		return nil, err
	}
	r := &Receiver{name: name, seed: seed, verify: v, tries: map[string]int{}, tally: map[string]int{}}
	r.server = httptest.NewServer(r)
	return r, nil
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 64<<10))
	if err != nil {
		return // the front door was killed
	}
	switch answer := r.take(req.Header, body); answer {
	case hangUp, hangUpAfter:
		panic(http.ErrAbortHandler) // net/http's way to cut a connection without an answer
	case timeout:
		<-req.Context().Done()
	case throttled:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case unavailable:
		w.WriteHeader(http.StatusServiceUnavailable)
	case unverified:
		w.WriteHeader(http.StatusBadRequest)
	default:
		pause(req.Context(), r.slow)
		w.WriteHeader(http.StatusNoContent)
	}
}

// take verifies a delivery and decides on the answer.
func (r *Receiver) take(h http.Header, body []byte) (answer string) {
	err := r.verify.Verify(body, h)
	a := arrival{id: h.Get(standardwebhooks.HeaderWebhookID), body: string(body)}
	if err == nil {
		err = json.Unmarshal(body, &a.event)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.unsigned = append(r.unsigned, err.Error())
		r.tally[unverified]++
		return unverified
	}
	r.tries[a.id]++
	answer = r.fault(a.id, r.tries[a.id])
	a.accepted = answer == taken || answer == hangUpAfter
	r.arrivals = append(r.arrivals, a)
	r.tally[answer]++
	return answer
}

func (r *Receiver) fault(id string, try int) string {
	if r.script != nil {
		return r.script(id, try)
	}
	if !r.flaky || try > mostFailures {
		return taken
	}
	switch x := dice(r.seed, "receiver", r.name, id, fmt.Sprint(try)).IntN(100); {
	case x < 10:
		return unavailable
	case x < 14:
		return hangUp
	case x < 20:
		return hangUpAfter
	case x < 25:
		return timeout
	case x < 30:
		return throttled
	}
	return taken
}
