package order

import (
	"strings"

	"issuance/providers"
)

// Ref names an order, or a refund of it when RefundID is set. A Ref is comparable.
type Ref struct {
	Account  providers.Account
	OrderID  string
	RefundID string
}

// IsRefund reports whether r names a refund.
func (r Ref) IsRefund() bool { return r.RefundID != "" }

// Order names the order that r is, or is a refund of.
func (r Ref) Order() Ref { return Ref{Account: r.Account, OrderID: r.OrderID} }

// Refund names a refund of r's order.
func (r Ref) Refund(id string) Ref { return Ref{Account: r.Account, OrderID: r.OrderID, RefundID: id} }

// String is "ACCOUNT/ORDER" or "ACCOUNT/ORDER/REFUND".
func (r Ref) String() string {
	s := r.Account.String() + "/" + r.OrderID
	if r.IsRefund() {
		s += "/" + r.RefundID
	}
	return s
}

// ParseRef reads what String writes.
func ParseRef(s string) (Ref, bool) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || parts[1] == "" {
		return Ref{}, false
	}
	var r Ref
	if r.Account.UnmarshalText([]byte(parts[0])) != nil {
		return Ref{}, false
	}
	r.OrderID = parts[1]
	if len(parts) == 3 {
		r.RefundID = parts[2]
	}
	return r, len(parts) == 2 || r.RefundID != ""
}
