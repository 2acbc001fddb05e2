package refunding_test

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/internal/refunding"
	"issuance/internal/testredis"
	"issuance/providers"
)

// fault is what becomes of a transition of the ledger.
type fault string

const (
	notWritten fault = "the ledger does not get it"
	answerLost fault = "it is written and its answer is lost"
	refused    fault = "it is refused"
)

var errFault = errors.New("the connection broke")

// faults is a hook of a Redis client that has the next script suffer a fault.
type faults struct {
	testredis.Hook
	mu   sync.Mutex
	next fault
}

func (f *faults) arm(what fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = what
}

// take returns the fault that is due, once.
func (f *faults) take() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.next
	f.next = ""
	return next
}

// DialHook implements redis.Hook.
func (f *faults) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (f *faults) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" && cmd.Name() != "eval" {
			return next(ctx, cmd)
		}
		due := f.take()
		if due == notWritten {
			cmd.SetErr(errFault)
			return errFault
		}
		err := next(ctx, cmd)
		switch {
		case due == "":
			return err
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			f.arm(due) // it is sent again, whole
			return err
		case due == refused:
			cmd.(*redis.Cmd).SetVal([]any{"verdict", "refused", "state", "queued"})
			return nil
		}
		cmd.SetErr(errFault)
		return errFault
	}
}

// faulty is a worker whose ledger suffers the faults, and whose budget runs atGate before each sending.
func (w *world) faulty(f *faults, atGate func()) refunding.Config {
	rdb := w.Redis.Client()
	rdb.AddHook(f)
	c := w.config("faulty")
	c.Ledger = ledger.New(rdb, ledger.Options{Now: w.Clock.Now})
	c.Gate = providers.Prepayable(gateFunc(func(context.Context) { atGate() }))
	return c
}

// strategies are the two ways to refund, each as a refund of one ticket.
var strategies = []struct {
	name string
	new  func(b *handlertest.Bench) (*world, *asynq.Task)
	// planned scripts what is asked before the plan is written; confirmed scripts a refund that is done.
	planned   func(w *world, during ...fakeprovider.During)
	confirmed func(w *world, during ...fakeprovider.During)
	sends     string // the call that refunds
	asks      string // the call before the plan
	replans   bool   // a plan that was not sent is made anew
	proves    func(w *world)
	proof     string
}{
	{
		name: "ticket by ticket",
		new: func(b *handlertest.Bench) (*world, *asynq.Task) {
			w := ecticket(b)
			return w, w.refundOf("R1", named(1))
		},
		planned: func(w *world, during ...fakeprovider.During) {
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes, during...)
		},
		confirmed: func(w *world, during ...fakeprovider.During) {
			w.provider.AnswerRefundTicket(fakeprovider.Yes, during...)
		},
		sends: sequence("refund_ticket T1, tickets"), asks: "tickets",
		proves: func(w *world) { w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes) },
		proof:  sequence("ticket_status T1"),
	},
	{
		name: "by number",
		new: func(b *handlertest.Bench) (*world, *asynq.Task) {
			w := pass2u(b, "voucher")
			return w, w.countOf("R1", `"quantity":1`)
		},
		planned: func(w *world, during ...fakeprovider.During) {
			w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes, during...)
		},
		confirmed: func(w *world, during ...fakeprovider.During) {
			w.provider.AnswerRefundCount(fakeprovider.Yes, during...)
		},
		sends: "refund_count 1, baseline", asks: "baseline", replans: true,
		proves: func(w *world) { w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes) },
		proof:  "baseline",
	},
}
