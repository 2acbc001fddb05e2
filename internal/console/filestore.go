package console

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/bulk"
	"issuance/internal/bulk/workbook"
	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/tasks/order"
)

// The states of a file. It is checked first, which enqueues nothing; a person starts it then. What moves from one of the
// first four is the front door that holds the file, besides a person's start and stop.
const (
	fileChecking = "checking"
	fileChecked  = "checked"
	fileStarting = "starting"
	fileRunning  = "running"
	fileStopping = "stopping"
	fileFinished = "finished"
	fileRejected = "rejected" // no line of it can be enqueued
	fileStopped  = "stopped"
	fileUnread   = "unreadable" // it is no file of orders
	fileBroken   = "broken"     // enqueueing ended before the file did
	fileLost     = "lost"       // nobody holds it any more; never stored
)

const (
	fileLife    = 7 * 24 * time.Hour
	fileLease   = 15 * time.Second // the front door that holds a file renews it every second
	mostWrong   = 1000             // lines whose mistakes are listed
	mostRejects = 4 << 20          // bytes of wrong lines that are kept
	mostRefs    = 100_000
)

// file is an uploaded file of orders and how far it is.
type file struct {
	ID, Name, Sheet  string
	Size             int64
	State            string
	Mark             string // of the token that uploaded it
	By, Address      string
	Reason           string
	Created          time.Time
	Started, Stopped hand
	Until            time.Time // so long it waits for its start at most; zero before it is checked
	Instead          string    // the name of the file whose place it has taken
	Problem          string    // why it ended early: a key of words
	Whole            []mistake // what is wrong with it as a whole
	Hidden           string    // rows that Excel hides
	Book             string    // the sheet that was read, "" of a file of text
	count
	Kept bool // all wrong lines are kept
	Held bool // a front door holds the file
}

// count is what a pass over a file has counted so far.
type count struct{ Bytes, Lines, Enqueued, Duplicates, Conflicts, Invalid, Failed int64 }

// Wrong are the lines that were rejected.
func (c count) Wrong() int64 { return c.Invalid + c.Conflicts }

// wrongLine is what is wrong with a line.
type wrongLine struct {
	Line     int       `json:"line"`
	OrderID  string    `json:"order_id,omitempty"`
	Problems []mistake `json:"problems"`
}

type mistake struct {
	Cell   string `json:"cell,omitempty"`
	Where  string `json:"where,omitempty"`
	Rule   string `json:"rule"`
	Shape  string `json:"shape,omitempty"`
	Advice string `json:"advice,omitempty"`
}

// mistakes are problems of a line, or of a file as a whole; row is the line's in a workbook, else 0.
func mistakes(problems []bulk.Problem, row int) (list []mistake) {
	for _, whole := range problems {
		for _, one := range whole.Fields() {
			m := mistake{Where: one.Where, Rule: one.Rule, Shape: one.Shape, Advice: one.Advice}
			if row > 0 && one.Column > 0 {
				m.Cell = workbook.Cell(one.Column, row)
			}
			list = append(list, m)
		}
	}
	return list
}

// detailOf is what is wrong with a file as a whole as it is stored.
func detailOf(list ...mistake) string {
	raw, _ := json.Marshal(list) // texts always can be written
	return string(raw)
}

func wholeOf(detail string) (list []mistake) {
	_ = json.Unmarshal([]byte(detail), &list) // "" where the file is none of those
	return list
}

// fileStore keeps files' states in Redis.
type fileStore struct {
	rdb  redis.UniversalClient
	ring *seal.Ring // nil: wrong lines are not kept
}

// fileKeys are the keys of a file.
type fileKeys struct{ state, lease, wrong, rejects, refs string }

func keysOfFile(id string) fileKeys {
	p := keys.ConsoleFile(id)
	return fileKeys{p + "state", p + "lease", p + "wrong", p + "rejects", p + "refs"}
}

func (s fileStore) make(ctx context.Context, f *file) error {
	k := keysOfFile(f.ID)
	pipe := s.rdb.Pipeline()
	pipe.HSet(ctx, k.state, "name", f.Name, "sheet", f.Sheet, "size", f.Size, "state", f.State, "mark", f.Mark, "by", f.By, "address", f.Address, "created", f.Created.UnixMilli(), "instead", f.Instead)
	pipe.PExpire(ctx, k.state, fileLife)
	pipe.Set(ctx, k.lease, "1", fileLease)
	pipe.ZAdd(ctx, keys.ConsoleFiles, redis.Z{Score: float64(f.Created.UnixMilli()), Member: f.ID})
	_, err := pipe.Exec(ctx)
	return err
}

// load is a file, nil where there is none.
func (s fileStore) load(ctx context.Context, id string) (*file, error) {
	k := keysOfFile(id)
	pipe := s.rdb.Pipeline()
	hash, lease := pipe.HGetAll(ctx, k.state), pipe.Exists(ctx, k.lease)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	f := hash.Val()
	if f["state"] == "" {
		return nil, nil
	}
	n := func(name string) int64 { v, _ := strconv.ParseInt(f[name], 10, 64); return v }
	out := &file{ID: id, Name: f["name"], Sheet: f["sheet"], Size: n("size"), State: f["state"], Mark: f["mark"], By: f["by"], Address: f["address"], Reason: f["reason"],
		Created: time.UnixMilli(n("created")).UTC(), Problem: f["problem"], Whole: wholeOf(f["detail"]), Hidden: f["hidden"], Book: f["book"], Kept: f["kept"] != "", Held: lease.Val() > 0,
		count: count{n("bytes"), n("lines"), n("enqueued"), n("duplicates"), n("conflicts"), n("invalid"), n("failed")},
		Until: millisOf(f["until"]), Instead: f["instead"], Started: handOf(f, didStart), Stopped: handOf(f, didStop)}
	if !out.Held && (out.Moving() || out.State == fileChecked) {
		out.State = fileLost
	}
	return out, nil
}

// Moving reports whether something happens by itself.
func (f *file) Moving() bool {
	return f.State == fileChecking || f.State == fileStarting || f.State == fileRunning || f.State == fileStopping
}

// list are the files that are remembered, the newest first.
func (s fileStore) list(ctx context.Context, now time.Time) (out []*file, err error) {
	old := strconv.FormatInt(now.Add(-fileLife).UnixMilli(), 10)
	if err := s.rdb.ZRemRangeByScore(ctx, keys.ConsoleFiles, "-inf", "("+old).Err(); err != nil {
		return nil, err
	}
	ids, err := s.rdb.ZRevRange(ctx, keys.ConsoleFiles, 0, 49).Result()
	for _, id := range ids {
		f, err := s.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if f != nil {
			out = append(out, f)
		}
	}
	return out, err
}

// move has a file take a step; see move.
func (s fileStore) move(ctx context.Context, id string, to step) (*standing, error) {
	return move(ctx, s.rdb, keysOfFile(id).state, to)
}

// waitsUntil notes how long a file waits for its start.
func (s fileStore) waitsUntil(ctx context.Context, id string, until time.Time) error {
	return s.rdb.HSet(ctx, keysOfFile(id).state, "until", until.UnixMilli()).Err()
}

// beat renews the lease, writes what was counted, and reads the state.
func (s fileStore) beat(ctx context.Context, id string, c count) (state string, err error) {
	k := keysOfFile(id)
	pipe := s.rdb.Pipeline()
	pipe.Set(ctx, k.lease, "1", fileLease)
	pipe.HSet(ctx, k.state, c.fields()...)
	read := pipe.HGet(ctx, k.state, "state")
	_, err = pipe.Exec(ctx)
	return read.Val(), err
}

func (c count) fields() []any {
	return []any{"bytes", c.Bytes, "lines", c.Lines, "enqueued", c.Enqueued, "duplicates", c.Duplicates, "conflicts", c.Conflicts, "invalid", c.Invalid, "failed", c.Failed}
}

// begin forgets what an earlier pass has found.
func (s fileStore) begin(ctx context.Context, id string) error {
	k := keysOfFile(id)
	return s.rdb.Del(ctx, k.wrong, k.rejects).Err()
}

// found writes what a pass has found.
func (s fileStore) found(ctx context.Context, id string, c count, wrong []string, rejects []byte, all bool, hidden, book string) error {
	k := keysOfFile(id)
	pipe := s.rdb.Pipeline()
	kept := ""
	if s.ring != nil && len(rejects) > 0 {
		sealed, err := s.ring.Seal(rejects, k.rejects)
		if err != nil {
			return err
		}
		pipe.Set(ctx, k.rejects, string(sealed), fileLife)
		if all {
			kept = "1"
		}
	}
	if len(wrong) > 0 {
		pipe.RPush(ctx, k.wrong, toAny(wrong)...)
		pipe.PExpire(ctx, k.wrong, fileLife)
	}
	pipe.HSet(ctx, k.state, append(c.fields(), "kept", kept, "hidden", hidden, "book", book)...)
	_, err := pipe.Exec(ctx)
	return err
}

func toAny(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// end writes how a file ended and that nobody holds it any more.
func (s fileStore) end(ctx context.Context, id, state, problem, detail string) error {
	k := keysOfFile(id)
	pipe := s.rdb.Pipeline()
	pipe.HSet(ctx, k.state, "state", state, "problem", problem, "detail", detail)
	pipe.PExpire(ctx, k.state, fileLife)
	pipe.Del(ctx, k.lease)
	_, err := pipe.Exec(ctx)
	return err
}

// enqueued remembers orders that a file has enqueued.
func (s fileStore) enqueued(ctx context.Context, id string, refs []string) error {
	if len(refs) == 0 {
		return nil
	}
	k := keysOfFile(id)
	pipe := s.rdb.Pipeline()
	pipe.RPush(ctx, k.refs, toAny(refs)...)
	pipe.LTrim(ctx, k.refs, 0, mostRefs-1)
	pipe.PExpire(ctx, k.refs, fileLife)
	_, err := pipe.Exec(ctx)
	return err
}

// refs are some of the orders of a file, and how many are remembered.
func (s fileStore) refs(ctx context.Context, id string, from, count int64) (out []order.Ref, all int64, err error) {
	pipe := s.rdb.Pipeline()
	names, length := pipe.LRange(ctx, keysOfFile(id).refs, from, from+count-1), pipe.LLen(ctx, keysOfFile(id).refs)
	_, err = pipe.Exec(ctx)
	for _, name := range names.Val() {
		if r, ok := order.ParseRef(name); ok {
			out = append(out, r)
		}
	}
	return out, length.Val(), err
}

// wrong are some of the lines that are wrong.
func (s fileStore) wrong(ctx context.Context, id string, count int64) ([]wrongLine, error) {
	list, err := s.rdb.LRange(ctx, keysOfFile(id).wrong, 0, count-1).Result()
	out := make([]wrongLine, len(list))
	for i, text := range list {
		if err := json.Unmarshal([]byte(text), &out[i]); err != nil {
			return nil, err
		}
	}
	return out, err
}

// rejects are the wrong lines of a file as they came, with what is wrong; nil where none are kept.
func (s fileStore) rejects(ctx context.Context, id string) ([]byte, error) {
	k := keysOfFile(id).rejects
	text, err := s.rdb.Get(ctx, k).Result()
	if errors.Is(err, redis.Nil) || err == nil && s.ring == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.ring.Open(seal.Sealed(text), k)
}
