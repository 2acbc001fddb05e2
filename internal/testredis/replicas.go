package testredis

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// failoverLimit bounds the election of another master, on a slow and loaded machine too.
const failoverLimit = 30 * time.Second

// follows reports what keeps a replica from having what its master has.
func (s *Server) follows() error {
	text, err := s.admin().Info(context.Background(), "replication").Result()
	if err != nil || !strings.Contains(text, "master_link_status:up") {
		return fmt.Errorf("the replica on %s does not follow: %v", s.Addr, err)
	}
	return nil
}

// followed reports that fewer replicas than expected are counted by WAIT.
func (s *Server) followed(expected int) error {
	text, err := s.admin().Info(context.Background(), "replication").Result()
	if n := strings.Count(text, "state=online"); err != nil || n < expected {
		return fmt.Errorf("%d of %d replicas follow %s: %v", n, expected, s.Addr, err)
	}
	return nil
}

// leads reports that a server is no master (yet).
func (s *Server) leads() error {
	text, err := s.admin().Info(context.Background(), "replication").Result()
	if err != nil || !strings.Contains(text, "role:master") {
		return fmt.Errorf("the new master on %s is none yet: %v", s.Addr, err)
	}
	return nil
}

// killReplicated kills a master when so many replicas have all that it has answered, because the rest is lost in any system
// whose replication is asynchronous.
func (s *Server) killReplicated(replicas int) {
	s.t.Helper()
	s.must(context.Background(), "CLIENT", "PAUSE", failoverLimit.Milliseconds(), "WRITE")
	until(s.t, startLimit, func() error { return s.drained(replicas) })
	s.Kill()
}

// drained reports that fewer replicas than these have confirmed all that their master has written. One that is catching up does
// not follow yet, and may be chosen all the same.
func (s *Server) drained(replicas int) error {
	text, err := s.admin().Info(context.Background(), "replication").Result()
	_, rest, _ := strings.Cut(text, "master_repl_offset:")
	at, _, _ := strings.Cut(rest, "\r")
	if n := strings.Count(text, "state=online,offset="+at+","); err != nil || n < replicas {
		return fmt.Errorf("%d of %d replicas have what %s has: %v", n, replicas, s.Addr, err)
	}
	return nil
}
