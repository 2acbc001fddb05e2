package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/tasks"
	"issuance/tasks/order"
)

// ecticketAccounts are the accounts at ECTicket that can be called from here.
func (s *session) ecticketAccounts() ([]config.Account, error) {
	cfg, err := config.LoadParts(s.env, config.Lookups)
	return slices.DeleteFunc(cfg.Callable(), func(a config.Account) bool { return a.Name.Provider != providers.ECTicket }), err
}

// ecticketAccount is the account that a command means, the default one where it names none.
func (s *session) ecticketAccount(name string) (config.Account, error) {
	list, err := s.ecticketAccounts()
	if err != nil {
		return config.Account{}, err
	}
	if len(list) == 0 {
		return config.Account{}, coded(codeSettings, "ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY and ECTICKET_HASH_IV are not set; this command calls ECTicket itself and needs them")
	}
	wanted := providers.Account{Provider: providers.ECTicket}
	if name != "" {
		if wanted, err = parseAccount(name); err != nil {
			return config.Account{}, err
		}
	}
	if a, ok := config.Find(list, wanted); ok {
		return a, nil
	}
	unknown := &tasks.UnknownAccountError{Account: wanted}
	for _, a := range list {
		unknown.Served = append(unknown.Served, a.Name)
	}
	if wanted.Merchant != "" {
		return config.Account{}, coded(codeSettings, "account %s is not among the accounts of these settings", wanted)
	}
	return config.Account{}, unknown
}

// addAccountFlag adds --account to a command that calls ECTicket itself.
func (a *app) addAccountFlag(cmd *cobra.Command, account *string) {
	cmd.Flags().StringVar(account, "account", "", "the account at ECTicket, where several are configured (default: the default account)")
	a.completeAccountFlag(cmd, "account")
}

// lookUpClient makes a client for look-ups. Its calls count against the allowance that all workers
// share, in the lane of the follow-up polls: checkouts go first. What they are answered says nothing of the workers' account.
func (s *session) lookUpClient(ctx context.Context, account config.Account) (config.Client, error) {
	allowance, rate, err := s.allowance(ctx, account.Name, account.CallsPerSecond)
	if err != nil {
		return nil, err
	}
	calls, err := budget.New(s.rdb, budget.Config{Account: account.Name, Allowance: allowance, PerSecond: rate, Ban: account.Ban})
	if err != nil {
		return nil, err
	}
	return account.Client(config.ClientOptions{Gate: calls.Guest(order.Poll)})
}

// ecticket makes the client of the account that a command names.
func (s *session) ecticket(ctx context.Context, name string) (*ecticket.Client, error) {
	account, err := s.ecticketAccount(name)
	if err != nil {
		return nil, err
	}
	client, err := s.lookUpClient(ctx, account)
	if err != nil {
		return nil, err
	}
	return client.(*ecticket.Client), nil // as an account of ECTicket has it
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
