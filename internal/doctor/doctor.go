// Package doctor looks at everything that issuing depends on, and says of each thing that is not as it should be what to
// do: Redis, settings, seal keys, clocks, accounts, queues, workers and webhooks. It changes nothing. At providers it makes
// one harmless call for each account, within the call budget.
//
// Its work is bounded: it searches no keyspace, and looks at so many tasks of each queue.
//
// It may import internal/announce, internal/budget, internal/config, internal/keys, internal/ledger, internal/queue,
// internal/redisconn, internal/webhooks, providers and tasks/order.
package doctor

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/config"
	"issuance/internal/redisconn"
	"issuance/providers"
)

// Level is how much a finding matters.
type Level string

const (
	// OK: it is as it should be.
	OK Level = "ok"
	// Note: worth knowing; nothing is wrong yet.
	Note Level = "note"
	// Wrong: orders do not end, or money is at risk.
	Wrong Level = "wrong"
)

// Areas in the order in which they are looked at.
const (
	Redis    = "redis"
	Settings = "settings"
	SealKeys = "seal keys"
	Accounts = "accounts"
	Clocks   = "clocks" // after accounts, whose answers say what time it is there
	Queues   = "queues"
	Workers  = "workers"
	Webhooks = "webhooks"
)

// Finding is one thing that was looked at. It is safe to show.
type Finding struct {
	Area  string `json:"area"`
	Level Level  `json:"level"`
	// About names the account, queue, worker or webhook; "" where it is about the whole area.
	About string `json:"about,omitempty"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"` // what to do about it
	// Brief is Text without its long list; "" where there is none.
	Brief string `json:"-"`
}

// Client is an account that can be called.
type Client struct {
	providers.Provider
	// Gate is the one that the provider's client passes. Without it only the outcome of the call is judged.
	Gate *Gate
}

// Config of an examination. Everything is required unless a default is given.
type Config struct {
	RDB   redis.UniversalClient
	Redis redisconn.Options // where RDB is
	// Settings are this environment's, and Mistakes what is wrong with it.
	Settings config.Config
	Mistakes []config.Mistake
	SealKeys []string // ids of those that this environment holds. Default: none is compared
	// KeysUnread says that seal keys are set here and cannot be read; Mistakes say why. Default: those that are set were read.
	KeysUnread bool
	Clients    []Client // that are configured here. Default: no provider is called
	Version    string   // of this program
	Sandbox    bool     // the Redis is a sandbox's, whose data may be lost
	// Now is this machine's clock. Default time.Now.
	Now func() time.Time
	// Zone is where times are shown. Default UTC.
	Zone *time.Location
}

// examination gathers findings.
type examination struct {
	Config
	area  string
	found []Finding
	info  map[string]string // what Redis says of itself, nil where that is not known
}

// Examine looks at everything. What cannot be looked at is a finding, too.
func Examine(ctx context.Context, c Config) []Finding {
	if c.Now == nil {
		c.Now = time.Now
	}
	x := &examination{Config: c}
	x.info, _ = readInfo(ctx, c.RDB) // its area says what is wrong
	for _, s := range []struct {
		area string
		do   func(context.Context) error
	}{{Redis, x.redis}, {Settings, x.settings}, {SealKeys, x.sealKeys}, {Accounts, x.accounts}, {Clocks, x.clocks},
		{Queues, x.queues}, {Workers, x.workers}, {Webhooks, x.webhooks}} {
		x.area = s.area
		before := len(x.found)
		if err := s.do(ctx); err != nil {
			x.unseen(err)
		}
		if len(x.found) == before {
			x.add(OK, "", "nothing to say", "")
		}
	}
	return x.found
}

func (x *examination) add(l Level, about, text, do string) {
	x.found = append(x.found, Finding{Area: x.area, Level: l, About: about, Text: text, Do: do})
}

// timeFormat is the command line's.
const timeFormat = "2006-01-02 15:04:05-07:00"

func (x *examination) at(t time.Time) string {
	if x.Zone == nil {
		return t.UTC().Format(timeFormat)
	}
	return t.In(x.Zone).Format(timeFormat)
}

func (x *examination) addf(l Level, about, do, format string, args ...any) {
	x.add(l, about, fmt.Sprintf(format, args...), do)
}

// settling is how long after a start of Redis what workers and front doors do every now and then may be missing or late: nobody
// could do it while Redis was away.
const settling = 2 * time.Minute

// overdue adds a finding about what somebody has not done for a while: it is wrong, unless Redis has only just started.
func (x *examination) overdue(about, do, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if up, err := strconv.Atoi(x.info["uptime_in_seconds"]); err == nil && time.Duration(up)*time.Second < settling {
		x.add(Note, about, fmt.Sprintf("%s; but Redis started %d s ago", text, up), fmt.Sprintf("run doctor again in %s; if it still says so: %s", settling, do))
		return
	}
	x.add(Wrong, about, text, do)
}

// unseen reports what could not be looked at: it is wrong, unless this user may not ask.
func (x *examination) unseen(err error) {
	if redisconn.RefusalOf(err) == redisconn.NotPermitted {
		x.add(Note, "", "the user of REDIS_URL may not ask: "+redisconn.Plain(err), "use the user reader or worker of deploy/users.acl")
		return
	}
	if loading(err) {
		x.add(Wrong, "", "cannot be looked at: Redis is still reading its data from disk", "wait until it has, and run doctor again")
		return
	}
	x.add(Wrong, "", "cannot be looked at: "+redisconn.Plain(err), lookAtRedis)
}

// loading reports whether an answer is that of a Redis which still reads its data.
func loading(err error) bool { return redis.HasErrorPrefix(err, "LOADING") }

const lookAtRedis = "look at Redis and the network to it"
