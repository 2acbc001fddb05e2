package redisconn

import "context"

// WatchBy is Watch by a question of the test's.
var WatchBy = watch

// Command runs what a client's hook does for a command.
func Command(ctx context.Context, run func(context.Context) error) error {
	return bounded(ctx, run, (*patience).answered)
}
