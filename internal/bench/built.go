package main

import (
	"context"
	"os"
	"time"

	"issuance/internal/bench/lab"
)

// built has measure fill in the report of a benchmark that runs a command of the product, "enqueue" say, as a process of
// its own. path is the command, built from this tree into a folder that is removed afterwards.
func built(ctx context.Context, o options, command string, measure func(path string, r *report) error) (*report, error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	o.progress("building " + command)
	path, err := lab.Build(ctx, dir, command)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := measure(path, r); err != nil {
		return nil, err
	}
	o.progress("")
	r.Seconds = seconds(time.Since(began))
	return r, nil
}

// shippedRedis is a redis-server that writes its log as the one that we ship does.
func shippedRedis(ctx context.Context) (*lab.Redis, error) {
	return lab.StartRedis(ctx, "--save", "", "--appendonly", "yes", "--appendfsync", shipped, "--auto-aof-rewrite-percentage", "0")
}
