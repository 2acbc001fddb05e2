package chaos

import (
	"sync"

	"issuance/tasks"
	"issuance/tasks/order"
)

// Receipts are what producers were answered, for every document that was acknowledged. Safe for concurrent use.
type Receipts struct {
	mu   sync.Mutex
	kept map[order.Ref]*receipted
}

// receipted are the receipts of an order or a refund.
type receipted struct {
	news, again int                  // receipts of a new record, and of one that was there
	documents   map[string]bool      // that were acknowledged
	ends        map[order.State]bool // final states that they reported
}

func newReceipts() *Receipts { return &Receipts{kept: map[order.Ref]*receipted{}} }

func (k *Receipts) note(r tasks.Receipt, document []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	of := k.kept[r.Ref()]
	if of == nil {
		of = &receipted{documents: map[string]bool{}, ends: map[order.State]bool{}}
		k.kept[r.Ref()] = of
	}
	of.documents[string(document)] = true
	if r.State.Final() {
		of.ends[r.State] = true
	}
	if r.Duplicate {
		of.again++
	} else {
		of.news++
	}
}

// has reports whether there is a receipt.
func (k *Receipts) has(r order.Ref) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[r] != nil
}

// refs lists what there are receipts of.
func (k *Receipts) refs() (out []order.Ref) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for r := range k.kept {
		out = append(out, r)
	}
	return out
}
