package cli

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/itemcheck"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/tasks"
	"issuance/tasks/order"
)

// catalogues check orders against their merchants' catalogues at ECTicket. Those of merchants whose accounts are not
// configured here are not checked. Safe for concurrent use.
type catalogues struct {
	app      *app
	session  *session
	accounts []config.Account

	mu    sync.Mutex
	known map[providers.Account]*catalogue
}

// catalogue is one merchant's.
type catalogue struct {
	checker *itemcheck.Checker
	lane    order.Lane
	client  config.Client
}

func (c *catalogues) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.known {
		k.client.Close()
	}
}

// of is the catalogue of an account, made when it is first needed.
func (c *catalogues) of(ctx context.Context, a config.Account) (*catalogue, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.known[a.Name]; k != nil {
		return k, nil
	}
	lane, err := c.session.lookUpLane(ctx, a.Name)
	if err != nil {
		return nil, err
	}
	client, err := c.session.lookUpClient(ctx, a)
	if err != nil {
		return nil, err
	}
	asked := client.(*ecticket.Client) // as an account of ECTicket has it
	k := &catalogue{itemcheck.New(c.session.rdb, asked, itemcheck.Options{Account: a.Name, Now: c.app.now}), lane, client}
	c.known[a.Name] = k
	return k, nil
}

// check lists the violations of each order.
func (c *catalogues) check(ctx context.Context, orders []*tasks.Order) ([][]providers.Violation, error) {
	var found [][]providers.Violation
	for _, a := range c.accounts {
		docs, at, err := c.documentsOf(a, orders)
		if err != nil {
			return nil, err
		}
		if len(docs) == 0 {
			continue
		}
		k, err := c.of(ctx, a)
		if err != nil {
			return nil, err
		}
		some, err := k.checker.Check(budget.WithLane(ctx, k.lane), docs)
		if err != nil {
			return nil, err
		}
		if found == nil {
			found = make([][]providers.Violation, len(orders))
		}
		for n, violations := range some {
			found[at[n]] = violations
		}
	}
	return found, nil
}

// documentsOf are an account's documents among some orders, and where they are.
func (c *catalogues) documentsOf(a config.Account, orders []*tasks.Order) (docs []*ecticketdoc.Order, at []int, err error) {
	for i, o := range orders {
		own, ok := config.Find(c.accounts, o.Account)
		if !ok && o.Account.Merchant == "" && o.Account.Provider == a.Name.Provider && len(c.accounts) == 1 {
			own = a
		}
		if own.Name != a.Name {
			continue
		}
		var doc ecticketdoc.Order
		if err := json.Unmarshal(o.Request, &doc); err != nil {
			return nil, nil, errors.New(o.String() + ": the valid order cannot be read") // it has been checked
		}
		docs, at = append(docs, &doc), append(at, i)
	}
	return docs, at, nil
}
