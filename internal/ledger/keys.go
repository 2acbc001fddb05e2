package ledger

import (
	"fmt"
	"strings"

	"issuance/providers"
)

// Every Redis key of the product stands here. Keys of one order share the hash tag
// {PROVIDER:ORDER}, so that a cluster keeps them in one slot.
//
//	issuance:{P:ORDER}:order         hash    the order's record; expires Options.KeepFinal after the final event
//	issuance:{P:ORDER}:refund:ID     hash    one refund's record; expires likewise
//	issuance:{P:ORDER}:refunds       zset    refund ids by creation time (ms)
//	issuance:{P:ORDER}:turn          string  id of the refund that is under way
//	issuance:{open:P}                zset    records that are not finished, by the time (ms) of their next inspection
//	issuance:{review:P}              zset    records that need a person, by the time (ms) they came to
//	issuance:events                  stream  one entry per final status, see Event
//	issuance:{pending:P}:…           orders that are polled (package pollers, sentinel)
//	issuance:{paused:P}              hash    queues that a ban has paused (package engine)
//	issuance:mode                    string  "sandbox" or "production" (package redisconn)
//	issuance:sandbox                 hash    what the command line needs to talk to a sandbox
//	issuance:{budget:ACCOUNT}:…      see package budget
//	issuance:{catalogue:P:MERCHANT}  see package catalogue

// EventsKey is the stream of final statuses.
const EventsKey = "issuance:events"

// SandboxKey is the hash in which a sandbox leaves what the command line needs.
const SandboxKey = "issuance:sandbox"

// Key names an order.
type Key struct {
	Provider providers.Name
	OrderID  string
}

func (k Key) String() string { return string(k.Provider) + "/" + k.OrderID }

func (k Key) order() string {
	return fmt.Sprintf("issuance:{%s:%s}:order", k.Provider, k.OrderID)
}

func (k Key) refunds() string {
	return fmt.Sprintf("issuance:{%s:%s}:refunds", k.Provider, k.OrderID)
}

func (k Key) turn() string {
	return fmt.Sprintf("issuance:{%s:%s}:turn", k.Provider, k.OrderID)
}

// SealContext binds a sealed field of the order to it; see seal.Ring.Seal.
func (k Key) SealContext(field string) string { return k.String() + "/" + field }

// RefundKey names a refund of an order.
type RefundKey struct {
	Key
	RefundID string
}

func (k RefundKey) String() string { return k.Key.String() + "/" + k.RefundID }

func (k RefundKey) refund() string {
	return fmt.Sprintf("issuance:{%s:%s}:refund:%s", k.Provider, k.OrderID, k.RefundID)
}

// SealContext binds a sealed field of the refund to it.
func (k RefundKey) SealContext(field string) string { return k.String() + "/" + field }

func openKey(p providers.Name) string { return fmt.Sprintf("issuance:{open:%s}", p) }

// Open entries: "o:ORDER" and "r:REFUND:ORDER". Ids hold no colon.
func (k Key) openMember() string       { return "o:" + k.OrderID }
func (k RefundKey) openMember() string { return "r:" + k.RefundID + ":" + k.OrderID }

// Ref names an order, or a refund when RefundID is set.
type Ref struct {
	Key
	RefundID string
}

func parseMember(p providers.Name, member string) (Ref, bool) {
	kind, rest, _ := strings.Cut(member, ":")
	switch kind {
	case "o":
		return Ref{Key: Key{Provider: p, OrderID: rest}}, rest != ""
	case "r":
		refund, order, ok := strings.Cut(rest, ":")
		return Ref{Key: Key{Provider: p, OrderID: order}, RefundID: refund}, ok
	}
	return Ref{}, false
}
