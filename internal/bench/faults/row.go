package faults

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"issuance/internal/bench/lab"
	"issuance/providers"
)

// Row is what came of one fault.
type Row struct {
	Fault    string  `json:"fault"`
	Provider string  `json:"provider"`
	End      string  `json:"end"`  // the true status, with its code
	From     string  `json:"from"` // what the time is measured from
	Took     float64 `json:"took"` // seconds
	// Least is how many seconds safety and the call budget need, and Why says of what.
	Least float64 `json:"least"`
	Why   string  `json:"why"`
	Most  float64 `json:"most"` // the target, seconds
	// Wrong lists what is not as it should be.
	Wrong []string `json:"wrong,omitempty"`
}

// Met reports whether the end is the right one and came in time.
func (r Row) Met() bool { return len(r.Wrong) == 0 }

// fault is one line of the table.
type fault struct {
	name     string
	provider providers.Name
	from     string // what the time is measured from
	least    time.Duration
	why      string
	most     time.Duration
	rate     float64       // calls per second; default perSecond
	long     bool          // takes more than a moment of real time
	world    func(h house) // what is so from the beginning; default: nothing
	run      func(s *site)
}

// perSecond is the accounts' allowance, as configured by default.
const perSecond = 4

// all lists the faults in the order of the table.
func all() []fault {
	var list []fault
	for _, part := range [][]fault{lostAnswers(), others(), refunds(), outages(), accounts(), workers(), crowds()} {
		list = append(list, part...)
	}
	return list
}

// Run lets the faults happen and returns a row each, in the order of the table. quick leaves out those that take more
// than a moment. t is needed for its virtual time alone: what is wrong is in the rows.
func Run(t *testing.T, quick bool) []Row {
	var list []fault
	for _, f := range all() {
		if !f.long || !quick {
			list = append(list, f)
		}
	}
	rows := make([]Row, len(list))
	t.Run("faults", func(t *testing.T) {
		for i, f := range list {
			t.Run(fmt.Sprintf("%s, %s", f.provider, strings.ReplaceAll(f.name, "/", " ")), func(t *testing.T) {
				t.Parallel()
				rows[i] = f.row(t)
			})
		}
	})
	return rows
}

// row lets one fault happen, on a Redis of its own.
func (f fault) row(t *testing.T) Row {
	row := Row{Fault: f.name, Provider: string(f.provider), From: f.from, Least: f.least.Seconds(), Why: f.why, Most: f.most.Seconds()}
	addr, stop, err := startRedis(t.Context())
	if err != nil {
		row.Wrong = append(row.Wrong, err.Error())
		return row
	}
	defer stop()
	s := inBubble(t, addr, f)
	row.End, row.Took, row.Wrong = s.end, float64(s.took.Round(100*time.Millisecond))/float64(time.Second), s.wrong
	if s.took > f.most {
		row.Wrong = append(row.Wrong, fmt.Sprintf("took %s, at most %s is the target", s.took, f.most))
	}
	return row
}

// startRedis starts a Redis of this row's own: redis-server where it is installed, which is several times faster than
// miniredis. Nothing counts on a key that expires, for that is real time.
func startRedis(ctx context.Context) (addr string, stop func(), err error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		mini := miniredis.NewMiniRedis()
		if err := mini.Start(); err != nil {
			return "", nil, err
		}
		return mini.Addr(), mini.Close, nil
	}
	r, err := lab.StartRedis(ctx, lab.InMemory...)
	if err != nil {
		return "", nil, err
	}
	return r.Addr, r.Close, nil
}
