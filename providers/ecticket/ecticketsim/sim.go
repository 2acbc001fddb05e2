package ecticketsim

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"issuance/providers/outage"
)

// Sim is the simulator, an http.Handler. All methods are safe for concurrent use.
type Sim struct {
	cfg      Config
	accounts map[string]Account
	stores   map[string]bool

	mu        sync.Mutex
	fault     func(Call) Fault
	catalogue catalogue
	orders    map[orderKey]*order
	received  []*order // in the order of arrival
	pending   []*order // waiting for the job
	tickets   map[ticketNo]*ticket
	codes     map[writeOffNo]*ticket
	failing   map[string]string // order id → Remark
	stuck     map[string]bool   // order id
	random    *rand.Rand
	serial    int // of tickets
	calls     map[string]int
	sequence  int // of calls
	refused   int // duplicate trade numbers
	limits    limits
	lag       Lag
	lagOf     map[string]Lag  // order id
	forbidden map[string]bool // order id
	outages   outage.Log[string, Fault]
	clocks    func(Call) time.Duration
	twist     func(Call, map[string]any)
	confirmed map[opKey][]byte  // the last confirmation, as it was sent
	given     map[Call][][]byte // every answer, by its call without N, where they are kept
	notices   []*notice         // all there ever were, in the order in which they came up
	noticeTo  func(merchant, url string) string

	ahead atomic.Int64 // of the clock, nanoseconds
}

// opKey is whose answers to which operation.
type opKey struct{ merchant, op string }

// New returns a simulator. It panics when an account's keys cannot be used.
func New(cfg Config) *Sim {
	cfg = cfg.withDefaults()
	s := &Sim{
		cfg:       cfg,
		accounts:  map[string]Account{},
		stores:    map[string]bool{},
		catalogue: newCatalogue(cfg.Items),
		orders:    map[orderKey]*order{},
		tickets:   map[ticketNo]*ticket{},
		codes:     map[writeOffNo]*ticket{},
		failing:   map[string]string{},
		stuck:     map[string]bool{},
		random:    rand.New(rand.NewPCG(cfg.Seed, 0)), // repeatable on purpose: these codes guard nothing
		calls:     map[string]int{},
		lagOf:     map[string]Lag{},
		forbidden: map[string]bool{},
		confirmed: map[opKey][]byte{},
		given:     map[Call][][]byte{},
	}
	for _, a := range cfg.Accounts {
		if err := a.keys().Validate(); err != nil {
			panic("ecticketsim: account " + a.MerchantID + ": " + err.Error())
		}
		s.accounts[a.MerchantID] = a
	}
	for _, id := range cfg.Stores {
		s.stores[id] = true
	}
	s.addExampleTicket()
	return s
}

// Start runs the job every Config.JobEvery, and sends notices every Config.NoticesEvery, until ctx ends. It returns at
// once; the channel is closed when the last run is over.
func (s *Sim) Start(ctx context.Context) (stopped <-chan struct{}) {
	done := make(chan struct{})
	if s.cfg.JobEvery <= 0 && s.cfg.NoticesEvery <= 0 {
		close(done)
		return done
	}
	var running sync.WaitGroup
	every := func(d time.Duration, do func()) {
		if d <= 0 {
			return
		}
		running.Go(func() {
			tick := time.NewTicker(d)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					do()
				}
			}
		})
	}
	every(s.cfg.JobEvery, s.RunJob)
	every(s.cfg.NoticesEvery, func() {
		s.RepeatNotices(ctx)
		s.SendNotices(ctx)
	})
	go func() { running.Wait(); close(done) }()
	return done
}

// taiwan is the time zone of every date in ECTicket's answers.
var taiwan = time.FixedZone("Asia/Taipei", 8*60*60)

// Formats of dates in ECTicket's documents.
const (
	dayFormat    = "20060102"
	minuteFormat = "20060102 15:04"
	secondFormat = "2006/01/02 15:04:05"
)

func (s *Sim) now() time.Time {
	return s.cfg.Now().Add(time.Duration(s.ahead.Load())).In(taiwan)
}
