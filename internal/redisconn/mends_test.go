package redisconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"issuance/internal/testredis"
)

// What passes by itself is worth waiting for, and what somebody has to mend is not.
func TestWhatMendsItself(t *testing.T) {
	for _, text := range []string{
		"LOADING Redis is loading the dataset in memory", "MASTERDOWN Link with MASTER is down", "READONLY You can't write against a read only replica.",
		"OOM command not allowed", "NOREPLICAS Not enough good replicas to write.", "MISCONF Redis is configured to save RDB snapshots",
		"CLUSTERDOWN The cluster is down", "TRYAGAIN Multiple keys request during rehashing of slot", "BUSY Redis is busy running a script.",
		"ERR max number of clients reached",
	} {
		if err := fmt.Errorf("announce: %w", answer(text)); !Mends(err) {
			t.Errorf("not waited for: %v", err)
		}
	}
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded, &net.OpError{Op: "read", Err: errors.New("reset")},
		&ReplicaError{Role: "slave"}, &NoAnswerError{err: io.EOF}} {
		if !Mends(fmt.Errorf("mark: %w", err)) {
			t.Errorf("not waited for: %v", err)
		}
	}
	for _, text := range []string{
		"NOAUTH Authentication required.", "WRONGPASS invalid username-password pair", "NOPERM this user has no permissions", "ERR unknown command",
		"WRONGTYPE Operation against a key holding the wrong kind of value",
	} {
		if err := fmt.Errorf("announce: %w", answer(text)); Mends(err) {
			t.Errorf("waited for: %v", err)
		}
	}
	for _, err := range []error{nil, errors.New("this Redis (5.0) is too old"), &ModeError{Have: Sandbox, Want: Production}, context.Canceled} {
		if Mends(err) {
			t.Errorf("waited for: %v", err)
		}
	}
}

// Whoever waits for a Redis that hangs can be stopped at any moment.
func TestConnectingEndsWithItsContext(t *testing.T) {
	s := testredis.Start(t)
	s.Freeze()
	defer s.Thaw()
	o, err := Parse(Source{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	began := time.Now()
	time.AfterFunc(50*time.Millisecond, stop)
	if c, err := Connect(ctx, o); err == nil {
		_ = c.Close()
		t.Fatal("a Redis that hangs has answered")
	}
	if took := time.Since(began); took >= ReadTimeout {
		t.Errorf("it went on for %s", took)
	}
}
