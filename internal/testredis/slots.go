package testredis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Slot is the cluster's slot of a key: CRC16 (XMODEM) of its hash tag, or of all of it.
func Slot(key string) int {
	if i := strings.IndexByte(key, '{'); i >= 0 {
		if j := strings.IndexByte(key[i+1:], '}'); j > 0 {
			key = key[i+1 : i+1+j]
		}
	}
	crc := uint16(0)
	for _, c := range []byte(key) {
		crc ^= uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % slots)
}

// together is how many slots are on their way at a time.
const together = 50

// MoveSlots moves slots that hold keys from one node to another until ctx ends; see Moved. What is under way then is brought to
// its end. All nodes have to run, and nobody else may move slots.
func (c *Cluster) MoveSlots(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		from := rand.IntN(len(c.Masters))
		to := (from + 1 + rand.IntN(len(c.Masters)-1)) % len(c.Masters)
		list, err := c.used(context.WithoutCancel(ctx), from)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			<-tick.C
			continue
		}
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		list = list[:min(together, len(list))]
		if err := c.Move(context.WithoutCancel(ctx), from, to, list...); err != nil {
			return err
		}
	}
	return nil
}

// Moved is how often a slot was moved from one node to another.
func (c *Cluster) Moved() int { return int(c.moved.Load()) }

// used are the slots of a master that hold keys.
func (c *Cluster) used(ctx context.Context, master int) (list []int, err error) {
	names, err := c.Masters[master].admin().Keys(ctx, "*").Result()
	seen := map[int]bool{}
	for _, name := range names {
		if s := Slot(name); !seen[s] && c.owner[s] == master {
			seen[s] = true
			list = append(list, s)
		}
	}
	return list, err
}

// Move moves slots from one master to another, key by key, all of them at the same time: meanwhile commands about them are
// answered by ASK and TRYAGAIN, and then by MOVED.
func (c *Cluster) Move(ctx context.Context, from, to int, list ...int) error {
	m := &move{c.Masters[from], c.Masters[to]}
	for _, s := range list {
		if err := m.begin(ctx, s); err != nil {
			return err
		}
	}
	for _, s := range list {
		if err := m.keys(ctx, s); err != nil {
			return err
		}
	}
	for _, s := range list {
		if err := c.settle(ctx, m, s); err != nil {
			return err
		}
		c.owner[s] = to
		c.moved.Add(1)
	}
	return c.agree(ctx)
}

// agree waits until the masters say the same about who holds which slots and since when, and until each has heard from each
// since, so that nothing older is on its way between them. Before that no slot may move again: a node claims what it gets by
// an epoch that is higher than those that it knows of, and what a message says that was overtaken would be believed.
func (c *Cluster) agree(ctx context.Context) error {
	since := time.Now().Add(overtaken).UnixMilli()
	return await(startLimit, func() error {
		first := ""
		for _, n := range c.Masters {
			text, err := n.admin().ClusterNodes(ctx).Result()
			if err != nil {
				return err
			}
			said, heard := claims(text)
			if heard < since {
				return fmt.Errorf("the node on %s has not heard from every other", n.Addr)
			}
			if first == "" {
				first = said
			}
			if said != first {
				return fmt.Errorf("the nodes disagree about their slots: %s, %s", first, said)
			}
		}
		return nil
	})
}

// overtaken is how long an answer that a node has sent is on its way, at most.
const overtaken = 50 * time.Millisecond

// claims are each master's name, epoch and slots of what CLUSTER NODES answers, and when the asked one has heard from each of the
// others, in Unix milliseconds.
func claims(text string) (said string, heard int64) {
	heard = math.MaxInt64
	var list []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 8 || !strings.Contains(f[2], "master") {
			continue
		}
		list = append(list, f[0]+" "+f[6]+" "+strings.Join(f[8:], ","))
		if at, _ := strconv.ParseInt(f[5], 10, 64); !strings.Contains(f[2], "myself") {
			heard = min(heard, at)
		}
	}
	slices.Sort(list)
	return strings.Join(list, "\n"), heard
}

// Holder is the place among Masters of the node that has a key's slot.
func (c *Cluster) Holder(key string) int { return c.owner[Slot(key)] }

// move is the way of slots from one node to another.
type move struct{ from, to *Server }

// begin opens the slot's way.
func (m *move) begin(ctx context.Context, slot int) error {
	if err := m.to.setSlot(ctx, slot, "IMPORTING", m.from); err != nil {
		return err
	}
	return m.from.setSlot(ctx, slot, "MIGRATING", m.to)
}

func (m *move) keys(ctx context.Context, slot int) error {
	host, port, err := net.SplitHostPort(m.to.Addr)
	if err != nil {
		return err
	}
	for {
		names, err := m.from.admin().ClusterGetKeysInSlot(ctx, slot, 100).Result()
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			if err := m.from.admin().Do(ctx, "MIGRATE", host, port, name, 0, 5000).Err(); err != nil && !errors.Is(err, redis.Nil) {
				return fmt.Errorf("move %s from %s: %w", name, m.from.Addr, err)
			}
		}
	}
}

// settle has every node know that the slot has moved, its new holder first.
func (c *Cluster) settle(ctx context.Context, m *move, slot int) error {
	others := slices.DeleteFunc(slices.Clone(c.Masters), func(n *Server) bool { return n == m.to || n == m.from })
	for _, n := range append([]*Server{m.to, m.from}, others...) {
		if err := n.setSlot(ctx, slot, "NODE", m.to); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) setSlot(ctx context.Context, slot int, what string, node *Server) error {
	if err := s.admin().Do(ctx, "CLUSTER", "SETSLOT", slot, what, node.id(ctx)).Err(); err != nil {
		return fmt.Errorf("slot %d on %s, %s %s: %w", slot, s.Addr, what, node.Addr, err)
	}
	return nil
}
