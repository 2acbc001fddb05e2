package redisconn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Code names a Warning for tests and metrics.
type Code string

const (
	Embedded        Code = "embedded"          // the sandbox's, without persistence
	NoPersistence   Code = "no-persistence"    // AOF is off
	LosesASecond    Code = "loses-a-second"    // AOF is written later than the answer
	Evicts          Code = "evicts"            // a full Redis evicts keys
	DiskTrouble     Code = "disk-trouble"      // the last write of the AOF failed
	LossyFailover   Code = "lossy-failover"    // a replica may take over without the last writes
	CannotBeChecked Code = "cannot-be-checked" // CONFIG is forbidden
	ClockSkew       Code = "clock-skew"        // its clock and this machine's differ
	NoPassword      Code = "no-password"       // anybody who reaches it may use it
	Plaintext       Code = "plaintext"         // the network reads along
)

// Warning is something an operator should know before money passes through a Redis.
type Warning struct {
	Code Code
	Text string // what may be lost, in plain words
	Fix  string // the lines of redis.conf, or what else to do; empty when nothing can be done
}

func (w Warning) String() string {
	if w.Fix == "" {
		return w.Text
	}
	return w.Text + " Fix: " + w.Fix
}

// minMajor.minMinor is the oldest Redis whose commands and scripts we use.
const minMajor, minMinor = 6, 2

// ReplicaError says that a Redis is a replica. It may take over from its master later.
type ReplicaError struct{ Role, Master string }

func (e *ReplicaError) Error() string {
	return fmt.Sprintf("this Redis is a %s (replica), which takes no writes; its master is %s", e.Role, e.Master)
}

// Inspect looks at a Redis with INFO, CONFIG GET and TIME, at every master of a cluster, and returns
// what may be lost or go wrong there. An error means that the Redis cannot be used: it is a replica, too
// old, or does not answer.
func Inspect(ctx context.Context, c redis.UniversalClient) ([]Warning, error) {
	cluster, ok := c.(*redis.ClusterClient)
	if !ok {
		return inspectNode(ctx, c)
	}
	var mu sync.Mutex
	var all []Warning
	seen := map[Code]bool{}
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		ws, err := inspectNode(ctx, node)
		if err != nil {
			return fmt.Errorf("cluster node %s: %w", node.Options().Addr, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, w := range ws {
			if !seen[w.Code] {
				seen[w.Code] = true
				w.Text = "Node " + node.Options().Addr + ": " + w.Text
				all = append(all, w)
			}
		}
		return nil
	})
	return all, err
}

func inspectNode(ctx context.Context, c redis.Cmdable) ([]Warning, error) {
	text, err := c.Info(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("ask Redis about itself (INFO): %w", err)
	}
	info := fields(text)
	version, ok := info["redis_version"]
	if !ok { // miniredis knows no such line
		return []Warning{{Code: Embedded, Text: "This is the sandbox's embedded Redis: its data is lost when it ends."}}, nil
	}
	if tooOld(version) {
		return nil, fmt.Errorf("this Redis (%s) is too old: use %d.%d or newer", version, minMajor, minMinor)
	}
	if role := info["role"]; role != "master" {
		return nil, &ReplicaError{Role: role, Master: info["master_host"]}
	}
	conf, allowed, err := config(ctx, c, "appendfsync", "min-replicas-to-write")
	if err != nil {
		return nil, fmt.Errorf("ask Redis for its configuration (CONFIG GET): %w", err)
	}
	ws := judge(info, conf, allowed)
	skew, err := clockSkew(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("ask Redis for the time (TIME): %w", err)
	}
	return append(ws, judgeClock(skew)...), nil
}

// maxSkew is how far clocks may differ without a warning. Workers extend their leases every 5 s by their
// own clocks, and Redis's clock ends them after 14 s, so that 9 s of skew take tasks from running workers.
const maxSkew = 3 * time.Second

// clockSkew is by how much Redis's clock is at least ahead of ours: Redis may have read it at any moment
// between question and answer.
func clockSkew(ctx context.Context, c redis.Cmdable) (time.Duration, error) {
	before := time.Now()
	at, err := c.Time(ctx).Result()
	if err != nil {
		return 0, err
	}
	// Not monotonic, as Redis's is not.
	before, after := before.Round(0), time.Now().Round(0)
	switch {
	case at.After(after):
		return at.Sub(after), nil
	case at.Before(before):
		return at.Sub(before), nil
	}
	return 0, nil
}

func judgeClock(skew time.Duration) []Warning {
	if skew.Abs() <= maxSkew {
		return nil
	}
	direction, harm := "ahead of", "tasks of running workers are taken for abandoned and run twice, which costs more calls"
	if skew < 0 {
		direction, harm = "behind", "the tasks of a worker that has died are recovered later"
	}
	return []Warning{{ClockSkew, fmt.Sprintf("Redis's clock is %s %s this machine's: %s.", skew.Abs().Round(time.Second/10), direction, harm),
		"run NTP (chrony, systemd-timesyncd) on both machines, then restart the worker"}}
}

// judge is the table of warnings. It is a pure function for the tests.
func judge(info, conf map[string]string, checked bool) []Warning {
	var ws []Warning
	add := func(c Code, text, fix string) { ws = append(ws, Warning{c, text, fix}) }

	switch {
	case info["aof_enabled"] == "0":
		add(NoPersistence, "Redis keeps orders in memory (its append-only file is off): after a crash or restart accepted orders are lost, "+
			"and so are the intents that keep a refund from being sent twice.", "appendonly yes, appendfsync always")
	case conf["appendfsync"] == "everysec":
		add(LosesASecond, "Redis writes to disk once a second: a power failure or crash of its machine loses the last second, "+
			"with it the intents that keep a refund from being sent twice.", "appendfsync always")
	case conf["appendfsync"] == "no":
		add(LosesASecond, "Redis leaves writing to disk to the operating system: a power failure or crash of its machine loses up to half a minute, "+
			"with it the intents that keep a refund from being sent twice.", "appendfsync always")
	}
	if p := info["maxmemory_policy"]; p != "" && p != "noeviction" {
		add(Evicts, fmt.Sprintf("Redis evicts keys when its memory is full (maxmemory-policy %s): orders would disappear without a trace.", p),
			"maxmemory-policy noeviction")
	}
	if s := info["aof_last_write_status"]; s != "" && s != "ok" {
		add(DiskTrouble, "Redis could not write its append-only file the last time it tried.", "look at its log and at the free space of its disk")
	}
	if n, _ := strconv.Atoi(info["connected_slaves"]); n > 0 && checked && conf["min-replicas-to-write"] == "0" {
		add(LossyFailover, "Redis has replicas and does not wait for them: when one takes over, the last writes are lost.",
			"min-replicas-to-write 1, min-replicas-max-lag 10 (it shortens the loss, it cannot exclude it)")
	}
	if !checked && info["aof_enabled"] != "0" {
		add(CannotBeChecked, "This Redis does not let us read its configuration (usual for managed services), "+
			"so it is unknown whether it writes every order to disk before it answers.",
			"make sure that it runs with appendonly yes and appendfsync always, or accept the loss of the last second")
	}
	return ws
}

// config reads settings; allowed is false where CONFIG is forbidden, unknown, or answers nothing.
func config(ctx context.Context, c redis.Cmdable, names ...string) (conf map[string]string, allowed bool, err error) {
	conf = map[string]string{}
	for _, n := range names {
		m, err := c.ConfigGet(ctx, n).Result()
		var refused redis.Error
		if errors.As(err, &refused) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		v, ok := m[n]
		if !ok {
			return nil, false, nil
		}
		conf[n] = v
	}
	return conf, true, nil
}

func fields(info string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(info) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[k] = v
		}
	}
	return out
}

func tooOld(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if errA != nil || errB != nil {
		return false // a fork with version names of its own; it is not refused
	}
	return a < minMajor || a == minMajor && b < minMinor
}
