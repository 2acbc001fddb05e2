package sweeper_test

import (
	"strings"
	"testing"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// A refund that has ended, and whose id leads nowhere, is found by it again.
func TestTheIndexIsRepaired(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		r := ref.Refund("R1")
		s.record(r, order.Bulk)
		a, err := s.ledger.Cancel(s.ctx, r, "ann", "r")
		if s.must(err); !a.Applied {
			t.Fatal(a)
		}
		lost, err := s.rdb.Keys(s.ctx, "issuance:{found:*").Result()
		s.must(err)
		s.must(s.rdb.Del(s.ctx, lost...).Err())
		s.must(s.sweeper.Repoint(s.ctx))
		if found, err := s.ledger.Locate(s.ctx, shop, "R1"); len(found) != 1 || err != nil {
			t.Errorf("%v %v", found, err)
		}
		if n := strings.Count(s.log.String(), "repaired the index"); n != 1 {
			t.Errorf("%d lines: %s", n, s.log.String())
		}
		s.must(s.rdb.Del(s.ctx, keys.PointersTurn).Err())
		s.must(s.sweeper.Repoint(s.ctx))
		if n := strings.Count(s.log.String(), "repaired the index"); n != 1 {
			t.Errorf("%d lines: %s", n, s.log.String())
		}
	})
}
