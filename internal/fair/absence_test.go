package fair_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// While the accounts of several workers are changed, one may get an order of an account before another has announced that it
// serves it: that is no alarm.
func TestAnAccountThatIsServedAMomentLaterIsNoAlarm(t *testing.T) {
	eachScene(t, func(s *scene) {
		var asked atomic.Int64
		s.grace = time.Millisecond
		s.elsewhere = func() bool { return asked.Add(1) > 1 }
		s.enqueue("a1", 0, 1)
		p := s.worker("b1", "c1")
		s.until("it to be asked again who serves the account", func() bool { return asked.Load() > 1 })
		p.stop()
		if n := s.alarms(); n != 0 {
			s.t.Errorf("%d alarms", n)
		}
	})
}

// The alarm of an account that nobody serves comes although no other task of it does, once.
func TestAnAccountThatNobodyServesIsReportedAfterAWhile(t *testing.T) {
	eachScene(t, func(s *scene) {
		var asked atomic.Int64
		s.grace = time.Millisecond
		s.elsewhere = func() bool { asked.Add(1); return false }
		s.enqueue("a1", 0, 1)
		p := s.worker("b1", "c1")
		s.until("the order to be put aside", func() bool { return s.inLine("a1") == 1 })
		s.until("the alarm", func() bool { return s.alarms() == 1 })
		s.enqueue("a1", 1, 5)
		s.until("the others to be put aside", func() bool { return s.inLine("a1") == 5 })
		p.stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		if log := s.log.String(); asked.Load() != 6 || strings.Count(log, "alarm:") != 1 || !strings.Contains(log, "order=O000") {
			s.t.Errorf("asked %d times: %s", asked.Load(), log)
		}
	})
}
