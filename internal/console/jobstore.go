package console

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// What a job does to each of its records.
const (
	jobCancel = "cancel"
	jobRetry  = "retry"
)

// The states of a job. It is counted first, which changes nothing; a person starts it then.
const (
	jobCounting = "counting"
	jobReady    = "ready"
	jobRunning  = "running"
	jobFinished = "finished"
	jobStopped  = "stopped"
)

const (
	jobLife  = 7 * 24 * time.Hour
	jobLease = 20 * time.Second // whoever works on a job renews it with each step
	mostJob  = 100_000          // records
)

// job is an action on all records that matched a filter when they were counted.
type job struct {
	ID      string
	Kind    string
	Filter  filter
	State   string
	Mark    string // of the token that made it
	By      string
	Address string
	Reason  string
	Created time.Time
	Started hand
	Stopped hand
	Cursor  string // where counting goes on
	Found   int
	At      int // how many of them were worked on
	Done    int
	Skipped int
	Notes   []note         // the first of those that were skipped
	Why     map[string]int // how many were skipped, by why
	Full    bool           // more match than a job may hold
}

// note says why a record was skipped.
type note struct {
	Ref string `json:"ref"`
	Why string `json:"why"` // a state, or a key of words
	// Who else decided about it, what and when, where somebody did.
	Who  string    `json:"who,omitempty"`
	What string    `json:"what,omitempty"`
	At   time.Time `json:"at,omitzero"`
}

const mostNotes = 100

// entry is one record of a job, and since when it is in review.
type entry struct {
	order.Ref
	Since int64
}

//go:embed scripts/step.lua
var stepSource string

var stepScript = redis.NewScript(stepSource)

// jobStore keeps jobs in Redis.
type jobStore struct{ rdb redis.UniversalClient }

func jobKeys(id string) []string {
	p := keys.ConsoleJob(id)
	return []string{p + "state", p + "lease", p + "list"}
}

func (s jobStore) make(ctx context.Context, j job) error {
	k := jobKeys(j.ID)
	if err := s.rdb.HSet(ctx, k[0], "kind", j.Kind, "filter", j.Filter.values().Encode(), "state", jobCounting, "mark", j.Mark, "by", j.By, "address", j.Address,
		"created", j.Created.UnixMilli()).Err(); err != nil {
		return err
	}
	if err := s.rdb.PExpire(ctx, k[0], jobLife).Err(); err != nil {
		return err
	}
	if err := s.rdb.ZAdd(ctx, keys.ConsoleJobs, redis.Z{Score: float64(j.Created.UnixMilli()), Member: j.ID}).Err(); err != nil {
		return err
	}
	return s.rdb.SAdd(ctx, keys.ConsoleBusy, j.ID).Err()
}

// busy are the jobs that are to be worked on. What is not any more is taken out of their set.
func (s jobStore) busy(ctx context.Context) (out []*job, err error) {
	ids, err := s.rdb.SMembers(ctx, keys.ConsoleBusy).Result()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		j, err := s.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if j == nil || !j.moving() {
			if err := s.rdb.SRem(ctx, keys.ConsoleBusy, id).Err(); err != nil {
				return nil, err
			}
			if j, err = s.load(ctx, id); err != nil || j == nil || !j.moving() { // it may have been started in between
				continue
			}
			if err := s.rdb.SAdd(ctx, keys.ConsoleBusy, id).Err(); err != nil {
				return nil, err
			}
		}
		out = append(out, j)
	}
	return out, nil
}

// moving reports whether there is something to do.
// mark changes when something of a job does.
func (j *job) mark() string { return fmt.Sprint(j.State, j.Found, j.At) }

func (j *job) moving() bool { return j.State == jobCounting || j.State == jobRunning }

// load is a job, nil where there is none.
func (s jobStore) load(ctx context.Context, id string) (*job, error) {
	f, err := s.rdb.HGetAll(ctx, jobKeys(id)[0]).Result()
	if err != nil || f["state"] == "" {
		return nil, err
	}
	n := func(name string) int { v, _ := strconv.Atoi(f[name]); return v }
	j := &job{ID: id, Kind: f["kind"], State: f["state"], Mark: f["mark"], By: f["by"], Address: f["address"], Reason: f["reason"],
		Created: time.UnixMilli(int64(n("created"))).UTC(), Cursor: f["cursor"], Found: n("found"), At: n("at"), Done: n("done"), Skipped: n("skipped"), Full: f["full"] != "",
		Started: handOf(f, didStart), Stopped: handOf(f, didStop)}
	q, err := url.ParseQuery(f["filter"])
	if err != nil {
		return nil, err
	}
	if j.Filter, err = parseFilter(q); err != nil {
		return nil, err
	}
	if f["notes"] != "" {
		err = json.Unmarshal([]byte(f["notes"]), &j.Notes)
	}
	if f["why"] != "" && err == nil {
		err = json.Unmarshal([]byte(f["why"]), &j.Why)
	}
	return j, err
}

// list are the jobs that are remembered, the newest first.
func (s jobStore) list(ctx context.Context, now time.Time) (out []*job, err error) {
	old := strconv.FormatInt(now.Add(-jobLife).UnixMilli(), 10)
	if err := s.rdb.ZRemRangeByScore(ctx, keys.ConsoleJobs, "-inf", "("+old).Err(); err != nil {
		return nil, err
	}
	ids, err := s.rdb.ZRevRange(ctx, keys.ConsoleJobs, 0, 99).Result()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		j, err := s.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if j != nil {
			out = append(out, j)
		}
	}
	return out, nil
}

// take is the lease of a job, for one who works on it; false where another one has it.
func (s jobStore) take(ctx context.Context, id, holder string) (bool, error) {
	err := s.rdb.SetArgs(ctx, jobKeys(id)[1], holder, redis.SetArgs{Mode: "NX", TTL: jobLease}).Err()
	if err == redis.Nil {
		return false, nil
	}
	return err == nil, err
}

func (s jobStore) leave(ctx context.Context, id string) error {
	return s.rdb.Del(ctx, jobKeys(id)[1]).Err()
}

// step writes where a job stands, and what counting has found; false where it is not the holder's any more, or was stopped.
func (s jobStore) step(ctx context.Context, j *job, holder string, more []entry) (bool, error) {
	notes, err := json.Marshal(j.Notes)
	if err != nil {
		return false, err
	}
	why, err := json.Marshal(j.Why)
	if err != nil {
		return false, err
	}
	full := ""
	if j.Full {
		full = "1"
	}
	fields := []any{"state", j.State, "cursor", j.Cursor, "found", j.Found, "at", j.At, "done", j.Done, "skipped", j.Skipped, "notes", string(notes), "why", string(why), "full", full}
	args := append([]any{holder, jobLease.Milliseconds(), jobLife.Milliseconds(), len(fields) / 2}, fields...)
	for _, e := range more {
		args = append(args, e.String()+" "+strconv.FormatInt(e.Since, 10))
	}
	n, err := stepScript.Run(ctx, s.rdb, jobKeys(j.ID), args...).Int()
	return n == 1, err
}

// move starts or stops a job; see move.
func (s jobStore) move(ctx context.Context, id string, to step) (*standing, error) {
	refused, err := move(ctx, s.rdb, jobKeys(id)[0], to)
	if err == nil && refused == nil && to.to == jobRunning {
		err = s.rdb.SAdd(ctx, keys.ConsoleBusy, id).Err()
	}
	return refused, err
}

// entries are some of a job's records.
func (s jobStore) entries(ctx context.Context, id string, from, count int) (out []entry, err error) {
	list, err := s.rdb.LRange(ctx, jobKeys(id)[2], int64(from), int64(from+count-1)).Result()
	for _, text := range list {
		name, since, _ := strings.Cut(text, " ")
		r, _ := order.ParseRef(name) // written by step
		ms, _ := strconv.ParseInt(since, 10, 64)
		out = append(out, entry{r, ms})
	}
	return out, err
}

// entryOf is a record that counting has found.
func entryOf(r ledger.Found) entry {
	e := entry{Ref: r.Ref}
	if r.State == order.Review {
		e.Since = r.FinalAt.UnixMilli()
	}
	return e
}
