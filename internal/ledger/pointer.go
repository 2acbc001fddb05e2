package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

const (
	// pointerBuckets is how many hashes hold an account's pointers of one month. Up to 512 of them (deploy/redis.conf) Redis
	// keeps in one piece, at some 35 bytes a pointer.
	pointerBuckets = 1024
	// mostPointed is how many orders with a refund of one id are kept a month: the latest.
	mostPointed = 20
)

// pointer leads from what people search for to a record. It is written by whatever makes the record one that is
// searched for, and believed only as far as the record confirms it.
type pointer struct {
	key, field, value string // "" value: none is needed
	lasts             time.Duration
}

// searchedBy is what a record is found by beside its number.
func searchedBy(r order.Ref, providerRef string) string {
	if r.IsRefund() {
		return r.RefundID
	}
	return providerRef
}

// pointed is a record as a pointer names it; the text is known to whoever follows one.
func pointed(r order.Ref) string {
	if r.IsRefund() {
		return r.OrderID + ":"
	}
	return r.OrderID
}

// place is where the pointers of a text stand in one month.
func place(a providers.Account, text string, month time.Time) (key, field string) {
	sum := sha256.Sum256([]byte(text))
	return keys.Found(a, month, int(binary.BigEndian.Uint16(sum[:])%pointerBuckets)), string(sum[2:8])
}

// clock is this machine's time, or the test's: good enough to tell one month from another.
func (l *Ledger) clock() time.Time {
	if l.opt.Now != nil {
		return l.opt.Now().UTC()
	}
	return time.Now().UTC()
}

func monthOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// pointer leads from text to r, from now on.
func (l *Ledger) pointer(r order.Ref, text string) pointer {
	if text == "" || !r.IsRefund() && text == r.OrderID {
		return pointer{}
	}
	now := l.clock()
	month := monthOf(now)
	p := pointer{value: pointed(r), lasts: month.AddDate(0, 1, 0).Sub(now) + l.opt.KeepRecords}
	p.key, p.field = place(r.Account, text, month)
	return p
}

// addPointer is sent as it is, since it is short and goes into pipelines.
// KEYS[1] keys.Found  ARGV: see pointer.args
var addPointer = complete("return point(KEYS[1], unpack(ARGV))")

// dropPointer takes one value out.
// KEYS[1] keys.Found  ARGV: field, value
const dropPointer = `local k,f=KEYS[1],ARGV[1]
local left={}
for v in string.gmatch(redis.call('HGET',k,f) or '','[^\n]+') do if v~=ARGV[2] then left[#left+1]=v end end
if #left==0 then return redis.call('HDEL',k,f) end
redis.call('HSET',k,f,table.concat(left,'\n'))
return 1`

// point puts a pointer into a pipeline. What fails there is left: the record's end writes it again.
func (l *Ledger) point(ctx context.Context, pipe redis.Pipeliner, p pointer) {
	pipe.Eval(ctx, addPointer, []string{p.key}, p.args()...)
}

// args are the arguments of what writes a pointer: field, value, how many values at most, milliseconds that the key lasts.
func (p pointer) args() []any { return []any{p.field, p.value, mostPointed, p.lasts.Milliseconds()} }

// months are those in which a pointer of a record that is kept can have been written, the latest first. Clocks differ, so
// the next month may have begun elsewhere.
func (l *Ledger) months() []time.Time {
	now := l.clock()
	var list []time.Time
	for m, last := monthOf(now.Add(time.Hour)), monthOf(now.Add(-l.opt.KeepRecords)); !m.Before(last); m = m.AddDate(0, -1, 0) {
		list = append(list, m)
	}
	return list
}

// text is what a record is found by beside its number, "" for nothing.
func (l *Ledger) text(ctx context.Context, r order.Ref) (string, error) {
	if r.IsRefund() {
		return r.RefundID, nil
	}
	text, err := l.rdb.HGet(ctx, keys.Record(r), "ref").Result()
	if err != nil && err != redis.Nil {
		return "", fmt.Errorf("ledger: %s: %w", r, err)
	}
	return text, nil
}

// relist has a record found for as long as it is kept from now on.
func (l *Ledger) relist(ctx context.Context, r order.Ref) error {
	text, err := l.text(ctx, r)
	p := l.pointer(r, text)
	if err != nil || p.value == "" {
		return err
	}
	pipe := l.rdb.Pipeline()
	l.point(ctx, pipe, p)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ledger: %s: %w", r, err)
	}
	return nil
}

// unlist removes every pointer to a record.
func (l *Ledger) unlist(ctx context.Context, r order.Ref) error {
	text, err := l.text(ctx, r)
	if err != nil || text == "" {
		return err
	}
	pipe := l.rdb.Pipeline()
	for _, m := range l.months() {
		key, field := place(r.Account, text, m)
		pipe.Eval(ctx, dropPointer, []string{key}, field, pointed(r))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ledger: %s: %w", r, err)
	}
	return nil
}
