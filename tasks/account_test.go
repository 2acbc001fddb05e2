package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
)

var (
	second = Account{Provider: providers.ECTicket, Merchant: "3085672"}
	pass   = Account{Provider: providers.Pass2U, Merchant: "main"}
)

// announce makes an account one that a worker serves.
func (b *bench) announce(t testing.TB, a Account, isDefault bool) {
	t.Helper()
	bu, err := budget.New(b.rdb, budget.Config{Account: a, PerSecond: 1, Default: isDefault})
	must(t, err)
	must(t, bu.Announce(b.ctx))
	b.age(fresh)
}

// anonymous is a client that no rules name a merchant for.
func (b *bench) anonymous(t testing.TB) *Client {
	return b.clientWith(t, Options{SealKeys: newKey, Rules: Rules{Now: before}})
}

// of is a document of an account, which its envelope names.
func of(account, id string) []byte {
	return []byte(strings.Replace(string(orderDoc(id)), `"provider":"ecticket",`, fmt.Sprintf(`"provider":"ecticket","account":%q,`, account), 1))
}

// A document says whose it is by its request, its envelope in either spelling, or not at all, which the rules
// then do.
func TestADocumentNamesItsAccount(t *testing.T) {
	inRequest := strings.Replace(string(orderDoc("O1")), `"request":{`, `"request":{"MerchantID":"3085672",`, 1)
	both := strings.Replace(inRequest, `"request"`, `"account":"ecticket:3085672","request"`, 1)
	plain := Rules{Now: before}
	for name, c := range map[string]struct {
		doc   string
		rules Rules
		want  Account
	}{
		"request":                   {inRequest, plain, second},
		"request and envelope":      {both, plain, second},
		"envelope":                  {string(of("3085672", "O1")), plain, second},
		"envelope, full":            {string(of("ecticket:3085672", "O1")), plain, second},
		"envelope, default":         {string(of("ecticket", "O1")), rules, shop},
		"rules":                     {string(orderDoc("O1")), rules, shop},
		"nobody":                    {string(orderDoc("O1")), plain, Account{Provider: providers.ECTicket}},
		"a provider with a default": {string(printed(t, "pass2u")), plain, pass},
	} {
		o, err := ParseOrder([]byte(c.doc), c.rules)
		if err != nil || o.Account != c.want {
			t.Errorf("%s: %v, %v, want %s", name, o, err, c.want)
		}
	}
	for name, c := range map[string]struct {
		doc   string
		rules Rules
		path  string
	}{
		"two merchants":                {strings.Replace(both, "ecticket:3085672", "ecticket:2000132", 1), plain, "account"},
		"another than the rules'":      {string(of("3085672", "O1")), rules, "account"},
		"another request's":            {inRequest, rules, "request.MerchantID"},
		"another provider's":           {string(of("pass2u:main", "O1")), plain, "account"},
		"no merchant":                  {string(of("ecticket:", "O1")), plain, "account"},
		"what would break out of keys": {string(of("a}:b", "O1")), plain, "account"},
	} {
		_, err := ParseOrder([]byte(c.doc), c.rules)
		if e := invalid(t, err); len(e.Violations) != 1 || e.Violations[0].Path != c.path {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := ParseRefund([]byte(`{"provider":"ecticket","account":"3085672","refund_id":"R1","request":{"MerchantTradeNo":"O1","all":true}}`), plain)
	if err != nil || r.Ref() != (Ref{Account: second, OrderID: "O1", RefundID: "R1"}) {
		t.Errorf("a refund: %v, %v", r, err)
	}
	if o, err := ParseRequest(second, parsed(t, orderDoc("O1")).Request, plain, false); err != nil || o.Account != second {
		t.Errorf("a bare request: %v, %v", o, err)
	}
}

// A document that names no account goes to the default one of those that workers have announced, or to the
// only one; of several without a default the caller has to choose, and the error lists which there are.
func TestWhoNamesNoAccountGetsTheDefault(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := b.anonymous(t)
		unknown := func(want ...Account) {
			t.Helper()
			for what, err := range map[string]error{
				"enqueue": failure(c.Enqueue(b.ctx, orderDoc(b.id()))), "status": failure(c.Status(b.ctx, Account{Provider: providers.ECTicket}, "O1")),
				"account": failure(c.Account(b.ctx, Account{Provider: providers.ECTicket})),
			} {
				var e *UnknownAccountError
				if !errors.As(err, &e) || !slices.Equal(e.Served, want) || e.Account.Merchant != "" {
					t.Errorf("%s: %v, want one that lists %v", what, err, want)
				}
			}
		}
		stale := func() { c.near.readAt = c.near.readAt.Add(-fresh) }
		unknown()
		b.announce(t, pass, true)
		stale()
		unknown()
		b.announce(t, shop, false)
		stale()
		if r, err := c.Enqueue(b.ctx, orderDoc(b.id())); err != nil || r.Account != shop {
			t.Errorf("the only one: %+v, %v", r, err)
		}
		b.announce(t, second, false)
		stale()
		unknown(shop, second)
		b.announce(t, second, true)
		stale()
		if r, err := c.Enqueue(b.ctx, orderDoc(b.id())); err != nil || r.Account != second {
			t.Errorf("the default: %+v, %v", r, err)
		}
		if a, err := c.Account(b.ctx, Account{Provider: providers.Pass2U}); err != nil || a != pass {
			t.Errorf("%s, %v", a, err)
		}
		for _, a := range []Account{{Provider: "x"}, {Provider: providers.ECTicket, Merchant: "a}:b"}} {
			if _, err := c.Account(b.ctx, a); err == nil {
				t.Errorf("%s is an account", a)
			}
		}
	})
}

// failure is the error of a call whose result does not matter.
func failure[T any](_ T, err error) error { return err }

// A document of an account that no worker serves is refused once any worker has announced its own.
func TestADocumentOfAnAccountThatNobodyServesIsRefused(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1")) // nothing is known yet
		b.announce(t, pass, true)
		_, err := b.Enqueue(b.ctx, orderDoc("O2"))
		var e *UnknownAccountError
		if !errors.As(err, &e) || e.Account != shop || !slices.Equal(e.Served, []Account{pass}) {
			t.Errorf("of a provider that nobody serves: %v", err)
		}
		b.announce(t, second, true)
		_, err = b.Enqueue(b.ctx, orderDoc("O3"))
		if !errors.As(err, &e) || e.Account != shop || !slices.Equal(e.Served, []Account{second}) || !strings.Contains(err.Error(), second.String()) {
			t.Errorf("%v", err)
		}
		if _, err := b.Prepare(b.ctx, parsed(t, orderDoc("O3")), Bulk); !errors.As(err, &e) {
			t.Errorf("%v", err)
		}
		if s, err := b.Status(b.ctx, shop, "O1"); err != nil || s.State != Queued {
			t.Errorf("what was enqueued before has no status: %+v, %v", s, err)
		}
	})
}

// The same number of two merchants is two orders, from the receipt to the event.
func TestTwoMerchantsMayUseOneNumber(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := b.anonymous(t)
		accounts := []Account{shop, second}
		for _, a := range accounts {
			r, err := c.Enqueue(b.ctx, of(a.String(), "O1"))
			if err != nil || r.Duplicate || r.Account != a {
				t.Fatalf("%s: %+v, %v", a, r, err)
			}
		}
		if got := b.queued(t); len(got) != 2 {
			t.Errorf("queued %v", got)
		}
		refs := []Ref{{Account: shop, OrderID: "O1"}, {Account: second, OrderID: "O1"}}
		b.reach(t, refs[0], Issued)
		if s, err := c.States(b.ctx, refs); err != nil || !slices.Equal(s, []State{Issued, Queued}) {
			t.Errorf("%v, %v", s, err)
		}
		b.reach(t, refs[1], Failed)
		reader, err := c.Events("shop")
		must(t, err)
		ids := map[string]bool{}
		for _, want := range refs {
			e, err := reader.Next(b.ctx)
			if err != nil || e.Ref != want {
				t.Errorf("%+v, %v", e, err)
			}
			ids[e.ID] = true
		}
		if len(ids) != 2 {
			t.Errorf("events %v", ids)
		}
		if s, err := c.Wait(b.ctx, second, "O1"); err != nil || s.State != Failed {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// Documents sealed with a key that no worker holds would wait for ever: they are refused as soon as any worker
// has announced its keys, by every way in.
func TestAKeyThatNoWorkerHoldsIsRefused(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1")) // no worker has been here yet
		worker, err := seal.ParseRing(oldKey)
		must(t, err)
		must(t, announce.SealKeys(b.ctx, b.rdb, worker.IDs()))
		b.age(fresh)
		_, one := b.Enqueue(b.ctx, orderDoc("O2"))
		_, refund := b.EnqueueRefund(b.ctx, refundDoc("O2", "R1"))
		_, many := b.Prepare(b.ctx, parsed(t, orderDoc("O2")), Bulk)
		for what, err := range map[string]error{"one": one, "refund": refund, "many": many, "ready": b.Ready(b.ctx)} {
			if !errors.Is(err, ErrWrongKeys) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got := b.queued(t); len(got) != 1 {
			t.Errorf("queued %v", got)
		}
		// A worker that holds it, not as its first, opens what is sealed with it.
		worker, err = seal.ParseRing(oldKey + "," + newKey)
		must(t, err)
		must(t, announce.SealKeys(b.ctx, b.rdb, worker.IDs()))
		b.enqueue(t, orderDoc("O2"))
		// The first key of a producer seals; that a worker holds its second one does not help.
		third := b.client(t, testKey(0x81)+","+newKey)
		if _, err := third.Enqueue(b.ctx, orderDoc("O3")); !errors.Is(err, ErrWrongKeys) {
			t.Errorf("%v", err)
		}
	})
}

// What is known of the workers is read again after ten seconds, not at every order.
func TestTheWorkersAreAskedAboutRarely(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		hook := &losing{}
		c := b.client(t, newKey, hook)
		cost := func() int {
			before := hook.count()
			_, err := c.Enqueue(b.ctx, orderDoc(b.id()))
			must(t, err)
			return hook.count() - before
		}
		cost() // loads scripts
		settled := cost()
		want := 1
		if b.clustered {
			want = 4 // time, open set, record, task
		}
		if settled != want {
			t.Errorf("an order takes %d exchanges, want %d", settled, want)
		}
		c.near.readAt = c.near.readAt.Add(-fresh)
		if again := cost(); again <= settled || again > settled+3 {
			t.Errorf("with a look at the workers it takes %d", again)
		}
	})
}

// Whoever waits for another caller's look at the workers still ends with its own context.
func TestALookAtTheWorkersHoldsNobodyUp(t *testing.T) {
	b := newBench(t, testredis.Mini(t), false)
	<-b.near.turn // somebody is looking, and Redis hangs
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if _, err := b.Enqueue(ctx, orderDoc("O1")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	b.near.turn <- struct{}{}
}
