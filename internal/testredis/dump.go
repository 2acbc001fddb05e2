package testredis

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// databases is how many a Redis has by default.
const databases = 16

// Dump returns every key of every database with its whole content as text, whatever its type,
// so that a test can look for what must not be stored. Keys of database 0 stand under their own
// name, others under "dbN:name". It fails the test when it cannot see everything.
func (s *Server) Dump(ctx context.Context) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	c := s.Client()
	for db := range databases {
		conn := c.Conn()
		err := dumpDB(ctx, conn, db, out)
		_ = conn.Close()
		if err != nil {
			s.t.Fatalf("testredis: dump database %d: %v", db, err)
		}
	}
	return out
}

func dumpDB(ctx context.Context, c *redis.Conn, db int, out map[string]string) error {
	if err := c.Select(ctx, db).Err(); err != nil {
		return err
	}
	prefix := ""
	if db != 0 {
		prefix = fmt.Sprintf("db%d:", db)
	}
	var cursor uint64
	for {
		keys, next, err := c.Scan(ctx, cursor, "*", 1000).Result()
		if err != nil {
			return err
		}
		for _, k := range keys {
			text, err := content(ctx, c, k)
			if err != nil {
				return fmt.Errorf("key %q: %w", k, err)
			}
			if text != "" { // it expired between SCAN and here
				out[prefix+k] = text
			}
		}
		if cursor = next; cursor == 0 {
			return c.Select(ctx, 0).Err()
		}
	}
}

func content(ctx context.Context, c *redis.Conn, key string) (string, error) {
	typ, err := c.Type(ctx, key).Result()
	if err != nil {
		return "", err
	}
	var parts []string
	switch typ {
	case "none":
		return "", nil
	case "string":
		v, err := c.Get(ctx, key).Result()
		if err == redis.Nil {
			return "", nil
		}
		return "string " + v, err
	case "list":
		parts, err = c.LRange(ctx, key, 0, -1).Result()
	case "set":
		parts, err = c.SMembers(ctx, key).Result()
		slices.Sort(parts)
	case "hash":
		var h map[string]string
		h, err = c.HGetAll(ctx, key).Result()
		for f, v := range h {
			parts = append(parts, f+"="+v)
		}
		slices.Sort(parts)
	case "zset":
		var zs []redis.Z
		zs, err = c.ZRangeWithScores(ctx, key, 0, -1).Result()
		for _, z := range zs {
			parts = append(parts, fmt.Sprintf("%v=%v", z.Member, z.Score))
		}
	case "stream":
		parts, err = stream(ctx, c, key)
	default:
		return "", fmt.Errorf("Dump does not support the type %s", typ)
	}
	return typ + " " + strings.Join(parts, "\n"), err
}

// stream lists entries in order, their fields sorted, and the names of the groups.
func stream(ctx context.Context, c *redis.Conn, key string) ([]string, error) {
	entries, err := c.XRange(ctx, key, "-", "+").Result()
	if err != nil {
		return nil, err
	}
	var parts []string
	for _, e := range entries {
		var fields []string
		for f, v := range e.Values {
			fields = append(fields, fmt.Sprintf("%s=%v", f, v))
		}
		slices.Sort(fields)
		parts = append(parts, e.ID+" "+strings.Join(fields, " "))
	}
	groups, err := c.XInfoGroups(ctx, key).Result()
	for _, g := range groups {
		parts = append(parts, "group "+g.Name)
	}
	return parts, err
}
