package main

import (
	"context"
	"fmt"
	"io"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"issuance/internal/keys"
	"issuance/internal/redisconn"
)

// checkCommand checks what a worker would start with, and starts none.
func checkCommand(f *flags, env map[string]string, code *int, stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the settings and Redis, and start nothing; exit code 0 if a worker would start",
		Long: `Check the settings and Redis as a worker does when it starts, print what an operator should know, and start
nothing. No provider is called, and Redis is only read. Give it the flags that the worker will have. The exit
code is 0 if a worker would start, with warnings or without, 2 for mistakes in the settings, and 1 for a Redis
that cannot be used.`,
		Example: `  worker check
  worker check --accounts pass2u`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.given(cmd)
			*code = checkAll(cmd.Context(), *f, env, stdout, stderr)
			return nil
		},
	}
	cmd.Flags().SortFlags = false
	f.addProduction(cmd.Flags())
	return cmd
}

func checkAll(ctx context.Context, f flags, env map[string]string, stdout, stderr io.Writer) int {
	stdout, stderr = folded(env, stdout), folded(env, stderr)
	s, err := check(f, env)
	if err != nil {
		return reportMistakes(stderr, env, err)
	}
	warnings, err := lookAt(ctx, s)
	if err != nil {
		return report(stderr, err)
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(stdout, "warning: %s\n", w)
	}
	for _, w := range warnings {
		fmt.Fprintf(stdout, "warning: %s\n", w)
	}
	for _, l := range s.lanes {
		fmt.Fprintf(stdout, "would serve %s\n", l.queue())
	}
	if len(s.limits) > 0 {
		fmt.Fprintf(stdout, "would serve %d of %d accounts\n", len(s.mine(s.Accounts)), len(s.Callable()))
	}
	return exitFine
}

// lookAt reads what there is to know about the Redis of the settings.
func lookAt(ctx context.Context, s settings) ([]redisconn.Warning, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	o, err := s.Redis.Options()
	if err != nil {
		return nil, err
	}
	rdb, err := redisconn.Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	defer rdb.Close()
	warnings, err := inspect(ctx, rdb, o, s.Redis)
	if err != nil {
		return nil, err
	}
	if err = redisconn.TakesWrites(ctx, rdb); err == nil {
		err = mayAnnounce(ctx, rdb)
	}
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	mode, err := redisconn.ReadMode(ctx, rdb)
	if err == nil && mode == redisconn.Sandbox {
		err = &redisconn.ModeError{Have: mode, Want: redisconn.Production}
	}
	return warnings, err
}

// mayAnnounce asks for a write that changes nothing, of a key that a worker has to write and whoever only reads may not.
func mayAnnounce(ctx context.Context, rdb redis.UniversalClient) error {
	return rdb.HDel(ctx, keys.Accounts, "nobody").Err()
}
