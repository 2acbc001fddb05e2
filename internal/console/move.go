package console

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// What a person does to a job or a file.
const (
	didStart = "started"
	didStop  = "stopped"
)

// hand is who started or stopped something, from where and when; zero where nobody did.
type hand struct {
	By, Address string
	At          time.Time
}

// handOf reads a hand from the hash of a job or a file.
func handOf(f map[string]string, did string) hand {
	return hand{f[did+"_by"], f[did+"_address"], millisOf(f[did+"_at"])}
}

// millisOf is a time of so many milliseconds, zero for none.
func millisOf(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// step is a way from one of some states (comma-separated) to another. Did is "" where a program takes it.
type step struct {
	from, to    string
	did, reason string
	hand
}

// standing is what something is in that could not take a step, and what a person did to it last.
type standing struct {
	State, Did string
	hand
}

//go:embed scripts/move.lua
var moveSource string

var moveScript = redis.NewScript(moveSource)

// move has a job or a file take a step; where it is in none of the states, the answer says how it stands instead.
func move(ctx context.Context, rdb redis.UniversalClient, key string, s step) (*standing, error) {
	f, err := moveScript.Run(ctx, rdb, []string{key}, s.from, s.to, s.did, s.By, s.Address, s.At.UnixMilli(), s.reason).StringSlice()
	if err != nil || len(f) < 4 {
		return nil, err
	}
	return &standing{f[0], f[1], hand{By: f[2], At: millisOf(f[3])}}, nil
}

// step is a step that the visitor takes.
func (v *visit) step(from, to, did, reason string) step {
	return step{from, to, did, reason, hand{v.who.Name, v.Door.Address(v.r), v.Now()}}
}

// stands is the failure of a step: who was faster, where somebody was. of is "job" or "file".
func (v *visit) stands(of string, s *standing) error {
	state := v.lang.T(of + ".state." + s.State)
	switch {
	case s.Did == didStart:
		return fail(conflict, "fail.started", s.By, v.clock(s.At), state)
	case s.Did == didStop:
		return fail(conflict, "fail.stopped", s.By, v.clock(s.At), state)
	case of == "job":
		return fail(conflict, "fail.job_state", state)
	}
	return fail(conflict, "fail.file_state", state)
}
