package ledger

import (
	"context"
	"strconv"
	"time"

	"issuance/providers"
)

// Due is a batch of unfinished records whose inspection is due.
type Due struct {
	Refs []Ref
	mark string // their time in the open set, until somebody gives them another
	set  string
}

// Due takes up to limit unfinished records whose inspection is due, the longest due first. They are
// not due again before hold has passed, so that several sweepers share the work.
func (l *Ledger) Due(ctx context.Context, p providers.Name, limit int64, hold time.Duration) (Due, error) {
	d := Due{set: openKey(p)}
	reply, err := l.run(ctx, "due", []string{d.set}, limit, hold.Milliseconds())
	if err != nil {
		return Due{}, err
	}
	d.mark = reply[0]
	for _, m := range reply[1:] {
		if r, ok := parseMember(p, m); ok {
			d.Refs = append(d.Refs, r)
		}
	}
	return d, nil
}

// PutOff sets when records of a batch are to be inspected next; those with a zero time do not exist and
// are taken out of the open set. What was claimed or finished since the batch was taken is left alone.
func (l *Ledger) PutOff(ctx context.Context, d Due, until map[Ref]time.Time) error {
	if len(until) == 0 {
		return nil
	}
	args := []any{d.mark}
	for r, at := range until {
		ms := ""
		if !at.IsZero() {
			ms = strconv.FormatInt(at.UnixMilli(), 10)
		}
		args = append(args, r.openMember(), ms)
	}
	_, err := l.run(ctx, "put_off", []string{d.set}, args...)
	return err
}

// OpenCount is the number of records that are not finished.
func (l *Ledger) OpenCount(ctx context.Context, p providers.Name) (int64, error) {
	return l.rdb.ZCard(ctx, openKey(p)).Result()
}

// Close takes a record out of the open set: it is finished, or it never came to be.
func (l *Ledger) Close(ctx context.Context, r Ref) error {
	return l.rdb.ZRem(ctx, openKey(r.Provider), r.openMember()).Err()
}
