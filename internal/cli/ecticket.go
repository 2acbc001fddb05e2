package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
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
		return nil, errors.New("ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY and ECTICKET_HASH_IV are not set; this command calls ECTicket itself and needs them")
	}
	rate, err := s.ecticketRate(ctx, account)
	if err != nil {
		return nil, err
	}
	allowance, err := budget.New(s.rdb, budget.Config{Account: budget.AccountOf(providers.ECTicket, account.MerchantID), PerSecond: rate, Ban: account.Ban})
	if err != nil {
		return nil, err
	}
	mode := ecticket.Pure
	if account.Mode == config.Escrow {
		mode = ecticket.EscrowUse
	}
	return ecticket.New(ecticket.Config{
		BaseURL: account.BaseURL, MerchantID: account.MerchantID, PlatformID: account.PlatformID,
		Keys: wire.Keys{HashKey: account.HashKey.Reveal(), HashIV: account.HashIV.Reveal()},
		Mode: mode, Timeout: account.Timeout, SettleAfter: account.SettleAfter, Ban: account.Ban,
		Gate: allowance.Lane(budget.Poll),
	})
}

// notDone explains a look-up that got no answer to print.
func notDone(out providers.Outcome) error {
	word := describe(reason(out), "no reason given")
	switch {
	case out.Alarm:
		return fmt.Errorf("ECTicket refuses this account (%s); check ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY, ECTICKET_HASH_IV and ECTICKET_BASE_URL", word)
	case out.Kind == providers.Rejected:
		return fmt.Errorf("ECTicket rejects this query (%s)", word)
	case out.Kind == providers.Held:
		return fmt.Errorf("ECTicket was not asked (%s); try again in %s", word, max(out.RetryAfter, time.Second).Round(time.Second))
	case out.Kind == providers.NotSent:
		return fmt.Errorf("ECTicket was not reached (%s); check ECTICKET_BASE_URL and the network, and try again", word)
	}
	return fmt.Errorf("ECTicket gave no usable answer (%s); nothing was changed, try again", word)
}
