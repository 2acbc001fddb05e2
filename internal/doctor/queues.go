package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/webhooks"
	"issuance/providers"
	"issuance/tasks/order"
)

// Bounds of what is looked at.
const (
	mostTasks = 1000 // of each state of a queue
	// late is how late the inspection of an open record may be, in ms; the sweepers look every three seconds.
	late = 2 * 60 * 1000
	// expired is for how long a lease may have run out, in seconds; what a dead worker held is taken back within 20.
	expired = 2 * 60
)

func (x *examination) queues(ctx context.Context) error {
	before := len(x.found)
	names := []string{webhooks.Queue}
	for _, p := range providers.All() {
		for _, l := range order.Lanes() {
			names = append(names, queue.Name(p, l))
		}
	}
	for _, name := range names {
		if err := x.queue(ctx, name); err != nil {
			return err
		}
	}
	announced, err := budget.Announced(ctx, x.RDB)
	if err != nil {
		return err
	}
	for _, a := range announced {
		if err := x.openRecords(ctx, a.Account); err != nil {
			return err
		}
	}
	if len(x.found) == before {
		x.add(OK, "", "every task has its record and every record its turn", "")
	}
	return nil
}

// queue looks at one queue's tasks.
func (x *examination) queue(ctx context.Context, name string) error {
	ids, err := x.tasks(ctx, name)
	if err != nil {
		return err
	}
	if n := ids.dangling; n > 0 {
		x.overdue(name, "is a worker running? its sweeper restores them within 30 s", "%d ids name no task", n)
	}
	if n := ids.orphans; n > 0 {
		x.addf(Wrong, name, "somebody else writes to this queue, or Redis has lost data: workers drop such tasks with an alarm", "%d tasks name no record", n)
	}
	if n := ids.archived; n > 0 {
		x.addf(Note, name, "delete them in the web UI; the records are unharmed", "%d tasks are archived", n)
	}
	pipe := x.RDB.Pipeline()
	now := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	stuck, err := x.RDB.ZCount(ctx, keys.Queue(name)+"lease", "-inf", strconv.FormatInt(now.Val().Unix()-expired, 10)).Result()
	if err != nil {
		return err
	}
	if stuck > 0 {
		x.overdue(name, "start a worker: it takes them back", "%d tasks are held by workers that have died", stuck)
	}
	return x.paused(ctx, name)
}

// paused says who has paused a queue.
func (x *examination) paused(ctx context.Context, name string) error {
	n, err := x.RDB.Exists(ctx, keys.Queue(name)+"paused").Result()
	if err != nil || n == 0 {
		return err
	}
	provider, _, _ := strings.Cut(name, "-")
	mark, err := x.RDB.HGet(ctx, keys.QueuesHeld(providers.Name(provider)), name).Result()
	if err != nil && err != redis.Nil {
		return err
	}
	if f := strings.Fields(mark); len(f) > 2 {
		x.add(Note, name, "paused by the workers, because calls of "+strings.Join(f[2:], ", ")+" are held", "see accounts; it is resumed by itself")
		return nil
	}
	x.add(Wrong, name, "paused by a person, in the web UI or by asynq's tools", "resume it there when its reason is gone")
	return nil
}

// counts are what is wrong with a queue's tasks.
type counts struct{ dangling, orphans, archived int }

// tasks looks at tasks of every state of a queue, so many each.
func (x *examination) tasks(ctx context.Context, name string) (c counts, err error) {
	key, pipe := keys.Queue(name), x.RDB.Pipeline()
	lists := []*redis.StringSliceCmd{pipe.LRange(ctx, key+"pending", -mostTasks, -1), pipe.LRange(ctx, key+"active", 0, mostTasks-1),
		pipe.ZRange(ctx, key+"retry", 0, mostTasks-1), pipe.ZRange(ctx, key+"scheduled", 0, mostTasks-1), pipe.ZRange(ctx, key+"archived", 0, mostTasks-1)}
	if _, err := pipe.Exec(ctx); err != nil {
		return c, err
	}
	c.archived = len(lists[len(lists)-1].Val())
	var exist, recorded []*redis.IntCmd
	pipe = x.RDB.Pipeline()
	for _, list := range lists {
		for _, id := range list.Val() {
			exist = append(exist, pipe.Exists(ctx, keys.Task(name, id)))
			if r, ok := queue.RefOf(id); ok {
				recorded = append(recorded, pipe.Exists(ctx, keys.Record(r)))
			}
		}
	}
	if len(exist) > 0 {
		_, err = pipe.Exec(ctx)
	}
	return counts{dangling: zeroes(exist), orphans: zeroes(recorded), archived: c.archived}, err
}

func zeroes(list []*redis.IntCmd) (n int) {
	for _, c := range list {
		if c.Err() == nil && c.Val() == 0 {
			n++
		}
	}
	return n
}

// openRecords finds an account's unfinished records at which no sweeper looks.
func (x *examination) openRecords(ctx context.Context, a providers.Account) error {
	now, err := x.RDB.Time(ctx).Result()
	if err != nil {
		return err
	}
	n, err := x.RDB.ZCount(ctx, keys.Open(a), "-inf", strconv.FormatInt(now.UnixMilli()-late, 10)).Result()
	if err != nil {
		return err
	}
	if n > 0 {
		x.overdue(a.String(), "start a worker with this account; its sweeper looks at each every 20 s", "%d unfinished records have not been looked at for 2 minutes", n)
	}
	reviews, err := ledger.New(x.RDB, ledger.Options{}).ReviewCount(ctx, a)
	if err == nil && reviews > 0 {
		x.addf(Note, a.String(), "enqueue review", "%s", needReview(reviews))
	}
	return err
}

func needReview(n int64) string {
	if n == 1 {
		return "1 record needs review"
	}
	return fmt.Sprintf("%d records need review", n)
}
