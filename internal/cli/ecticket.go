package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/tasks/order"
)

// account is the environment's account at ECTicket, which may be incomplete.
func (s *session) account() (config.ECTicket, error) {
	cfg, err := config.LoadParts(s.env, config.Lookups)
	return cfg.ECTicket, err
}

// ecticket makes a client for look-ups. Its calls count against the allowance that all workers
// share, in the lane of the follow-up polls: checkouts go first.
func (s *session) ecticket(ctx context.Context) (*ecticket.Client, error) {
	account, err := s.account()
	if err != nil {
		return nil, err
	}
	if !account.Configured() {
		return nil, coded(codeSettings, "ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY and ECTICKET_HASH_IV are not set; this command calls ECTicket itself and needs them")
	}
	own := providers.Account{Provider: providers.ECTicket, Merchant: account.MerchantID}
	allowance, rate, err := s.allowance(ctx, own, account.CallsPerSecond)
	if err != nil {
		return nil, err
	}
	calls, err := budget.New(s.rdb, budget.Config{Account: own, Allowance: allowance, PerSecond: rate, Ban: account.Ban})
	if err != nil {
		return nil, err
	}
	cfg, err := account.Client()
	if err != nil {
		return nil, err
	}
	cfg.Gate = calls.Lane(order.Poll)
	return ecticket.New(cfg)
}

// lookUpLane is the lane of calls that are less urgent than those of orders under way: that of bulk, or that of the
// polls while operators hold bulk alone.
func (s *session) lookUpLane(ctx context.Context, a providers.Account) (order.Lane, error) {
	for _, lane := range []order.Lane{order.Bulk, order.Poll} {
		_, held, err := budget.HeldNow(ctx, s.rdb, a, lane)
		if err != nil {
			return "", fmt.Errorf("read the call budget that the workers keep: %w", err)
		}
		if !held {
			return lane, nil
		}
	}
	return order.Bulk, nil
}

// notDone explains a look-up that got no answer to print.
func notDone(out providers.Outcome) error {
	word := describe(reason(out), "no reason given")
	switch {
	case out.Alarm:
		return coded(codeSettings, "ECTicket refuses this account (%s); check ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY, ECTICKET_HASH_IV and ECTICKET_BASE_URL", word)
	case out.Kind == providers.Rejected:
		return coded(codeRejected, "ECTicket rejects this query (%s)", word)
	case out.Kind == providers.Held && budget.IsPause(out.Message):
		return coded(codeHeld, "ECTicket was not asked (%s); that lasts until somebody ends it with `enqueue resume`", word)
	case out.Kind == providers.Held:
		return coded(codeHeld, "ECTicket was not asked (%s); try again in %s", word, max(out.RetryAfter, time.Second).Round(time.Second))
	case out.Kind == providers.NotSent && out.Code == "no_budget" && strings.Contains(out.Message, "NOPERM"):
		return coded(codeSettings, "ECTicket was not asked: Redis does not permit the user of REDIS_URL to use the call budget (ACL); operator of deploy/users.acl may")
	case out.Kind == providers.NotSent && out.Code == "no_budget":
		return coded(codeNoAnswer, "ECTicket was not asked (%s)", word)
	case out.Kind == providers.NotSent:
		return coded(codeNoAnswer, "ECTicket was not reached (%s); check ECTICKET_BASE_URL and the network, and try again", word)
	}
	return coded(codeNoAnswer, "ECTicket gave no usable answer (%s); nothing was changed, try again", word)
}
