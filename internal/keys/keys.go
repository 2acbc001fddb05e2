// Package keys names every Redis key of the product, with its type, fields and lifetime; no other
// package may build one, and a test holds that. Keys of one order share the hash tag
// {ACCOUNT:ORDER}, so that a cluster keeps them in one slot; so do the keys of an account's poller
// and of a call allowance. asynq's own keys are here too, where the product reads them.
//
// It imports package providers and package tasks/order.
package keys

import (
	"strconv"
	"strings"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// Prefix begins every key of the product.
const Prefix = "issuance:"

const (
	// Events is the stream of final statuses; see the ledger's Event for its fields. Trimmed to
	// about ISSUANCE_KEEP_EVENTS entries.
	Events = Prefix + "events"
	// Decisions is the stream of what operators decided: resolve, retry, cancel, erase, pause.
	Decisions = Prefix + "decisions"
	// Cursors is a hash, name of an event reader → the stream id it has committed. No expiry.
	Cursors = Prefix + "cursors"
	// Mode is a string, "sandbox" or "production", written by the first worker. No expiry.
	Mode = Prefix + "mode"
	// Probe is a string that never exists: health checks ask to change it where it does, to see whether Redis takes writes.
	Probe = Prefix + "probe"
	// Sandbox is a hash of the settings that the command line needs to talk to a sandbox.
	Sandbox = Prefix + "sandbox"
	// Accounts is a hash, account → what workers announce of it as JSON (calls per second, allowance,
	// whether it is its provider's default, when), so that producers and operators see it without
	// credentials. No expiry.
	Accounts = Prefix + "accounts"
	// Terms is a counter of the announcements in which an account had another allowance, or other calls per second, than in the one
	// before, so that the workers that serve it read what is in force. No expiry.
	Terms = Prefix + "terms"
	// FactsNews is a counter of what clients have learned of accounts and did not know before (Facts), so that the other workers
	// read it. No expiry.
	FactsNews = Prefix + "facts:news"
	// Healths is a hash, account → the time (µs) and the health that were logged of it last, by which one program of all logs
	// a change. No expiry.
	Healths = Prefix + "healths"
	// Pointers is a string: the stream id of the last end whose pointers were looked at (the ledger's RepairPointers). No expiry.
	Pointers = Prefix + "pointers"
	// PointersTurn is a string that is there while a worker looks at them. Expires after seconds.
	PointersTurn = Prefix + "pointers:turn"
	// SealKeys is a zset of the ids of the seal keys that workers hold, by the time (ms) a worker
	// last announced them.
	SealKeys = Prefix + "seal_keys"
	// Workers is a hash, name of a worker process → what it announces of itself as JSON (version, seal keys, accounts, when).
	// Entries are taken out when it stops, or a day later.
	Workers = Prefix + "workers"
	// Webhooks is a hash, name of a webhook endpoint → what front doors announce of it as JSON (its host, which
	// events it wants, when), without its secret; under "", when a front door last announced its endpoints. No expiry:
	// `enqueue webhooks forget` takes one out.
	Webhooks = Prefix + "webhooks"
)

// IdleProbe is the time (µs) at which a worker has asked last whether a provider still answers an account that nobody calls.
// Expires after a second; meanwhile nobody asks so.
func IdleProbe(p providers.Name) string { return Prefix + "{idle_probe:" + string(p) + "}" }

// ConsoleSession is the string of a browser that is logged in to the console, as JSON: whose token it has and since when. id is
// the hash of what the browser's cookie holds. Expires when nobody has used it for a while.
func ConsoleSession(id string) string { return Prefix + "{console:session:" + id + "}" }

// ConsoleChanges is the string of why a logged-in browser may change something in the console's page of queues; id as
// ConsoleSession's. Expires within minutes.
func ConsoleChanges(id string) string { return Prefix + "{console:changes:" + id + "}" }

// ConsoleFailures is the string that counts failed logins of an address, which locks it out. Expires after that time.
func ConsoleFailures(address string) string { return Prefix + "{console:failures:" + address + "}" }

const (
	// ConsoleJobs is the zset of the console's jobs by when they were made (ms). Each is there for a week.
	ConsoleJobs = Prefix + "{console:jobs}"
	// ConsoleBusy is the set of those that are to be worked on. No expiry.
	ConsoleBusy = Prefix + "{console:jobs}:busy"
)

// ConsoleJob is the prefix of the keys of one job of the console (package console): "state", a hash, and "list", the list of
// its records. They expire a week after the job was made.
func ConsoleJob(id string) string { return Prefix + "{console:job:" + id + "}:" }

// ConsoleFiles is the zset of the files that were uploaded to the console, by when (ms). Each is there for a week.
const ConsoleFiles = Prefix + "{console:files}"

// ConsoleFile is the prefix of the keys of one file (package console): "state", a hash; "lease", the string of the front door
// that holds it; "wrong", a list of what is wrong with its lines, as JSON without what the cells hold; "rejects", the string of
// its wrong lines, sealed; "refs", the list of the orders that it has enqueued. Expires after a week.
func ConsoleFile(id string) string { return Prefix + "{console:file:" + id + "}:" }

// tag is the hash tag of an order's keys.
func tag(r order.Ref) string { return Prefix + "{" + r.Account.String() + ":" + r.OrderID + "}:" }

// Record is the hash of an order's or a refund's record. Once it is final and settled it expires
// after ISSUANCE_KEEP_RECORDS; see the ledger for its fields.
func Record(r order.Ref) string {
	if r.IsRefund() {
		return tag(r) + "refund:" + r.RefundID
	}
	return tag(r) + "order"
}

// Details is the hash to which the bulky fields of a settled record move (document, result, history,
// plan). It expires after ISSUANCE_KEEP_DETAILS.
func Details(r order.Ref) string { return Record(r) + ":details" }

// Replicated is written beside a new record, to wait for replicas (REDIS_WAIT_REPLICAS). It is empty and expires after a second.
func Replicated(r order.Ref) string { return tag(r) + "replicated" }

// Refunds is the zset of an order's refund ids by creation time (ms). It expires with the last of them.
func Refunds(r order.Ref) string { return tag(r) + "refunds" }

// Turn is the string that holds the id of the refund that is under way.
func Turn(r order.Ref) string { return tag(r) + "turn" }

// DecisionsOf is the list of what operators decided about an order and its refunds, the latest few hundred: the time (ms) and
// JSON, see the ledger's Decisions. It expires ISSUANCE_KEEP_RECORDS after the last of them.
func DecisionsOf(r order.Ref) string { return tag(r) + "decisions" }

// Tickets is the hash of what looks at the provider have shown of an order's tickets since it was issued; see the
// ledger's TicketList. It expires with the record, and is removed with the customer's data.
func Tickets(r order.Ref) string { return tag(r) + "tickets" }

// Open is the zset of an account's records that are not finished, by the time (ms) of their next
// inspection; see Member.
func Open(a providers.Account) string { return Prefix + "{open:" + a.String() + "}" }

// Reviews is the zset of an account's records that need review, by the time (ms) they came to.
func Reviews(a providers.Account) string { return Prefix + "{review:" + a.String() + "}" }

// Found is one of many hashes that lead from what people search for to records: the digest of a provider's number or of
// a refund's id → orders. There is one set of them for each account and month (of the time of writing, UTC), small enough
// for Redis to keep each in one piece; see the ledger's Locate. Expires ISSUANCE_KEEP_RECORDS after its month.
func Found(a providers.Account, month time.Time, bucket int) string {
	return Prefix + "{found:" + a.String() + ":" + month.UTC().Format("200601") + ":" + strconv.Itoa(bucket) + "}"
}

// QueueLine is the prefix of the lines of a queue's accounts (package fair), in the queue's own cluster slot. "all" is the set
// of the merchants that have one. "of:MERCHANT" is the zset of the account's tasks that wait for their turn, by their place;
// "out:MERCHANT" the zset of those that were let go on lately, by when (µs). No expiry; they are empty when nothing waits.
func QueueLine(queue string) string { return Prefix + "{" + queue + "}:line:" }

// QueuesHeld is the hash of a provider's queues that the product itself has paused in the web UI, for
// a ban or an operator's pause: queue → a mark. No expiry; see package servers for the marks.
func QueuesHeld(p providers.Name) string { return Prefix + "{queues:" + string(p) + "}" }

// Lag is a string: the longest time (ms) after a request that an account's provider was seen not to show
// its effect yet. Expires 30 days after it grew last.
func Lag(a providers.Account) string { return Prefix + "{lag:" + a.String() + "}" }

// Sites is the set of the pairs of places (host and credential) that were shown to be one account's. Expires long after its records.
func Sites(a providers.Account) string { return Prefix + "{sites:" + a.String() + "}" }

// Absent is the zset of the orders that an account's provider has accepted and did not know when it was asked last, by when
// they were sent (ms). Each counts until it is shown, ten minutes at most; expires ten minutes after the last was added.
func Absent(a providers.Account) string { return Prefix + "{lag:" + a.String() + "}:absent" }

// Facts is the hash of what clients have learned of an account that is no matter of one order (package providers, Memory): the fact's
// name, with the provider's host → when it was shown last (ms) and its value. Expires 30 days after the last was written; a fact
// that was not shown for as long is not read.
func Facts(a providers.Account) string { return Prefix + "{facts:" + a.String() + "}" }

// Pending is the prefix of the keys of an account's follow-up poller (package pollers).
func Pending(a providers.Account) string { return Prefix + "{pending:" + a.String() + "}:" }

// Budget is the prefix of the keys of a call allowance (package budget). allowance is an account or
// the name that several accounts share.
func Budget(allowance string) string { return Prefix + "{budget:" + allowance + "}:" }

// Paused is the hash of what operators have paused of an account: lane, or "all", → who, when and why
// as JSON. No expiry. It shares the slot of the account's allowance, so that the script that gives a
// call its time sees it.
func Paused(allowance string, a providers.Account) string {
	return Budget(allowance) + "paused:" + a.String()
}

// Health is the hash of what the latest calls have said of an account; see package budget for its fields.
// It is absent while all is well, and shares the slot of the account's allowance, as Paused does.
func Health(allowance string, a providers.Account) string {
	return Budget(allowance) + "health:" + a.String()
}

// Items is the hash of an ECTicket merchant's catalogue of items, as last fetched.
func Items(a providers.Account) string { return Prefix + "{items:" + a.String() + "}" }

// Notices is the stream of an account's notices from its provider, sealed (package notices). Entries are trimmed after
// 30 days.
func Notices(a providers.Account) string { return Prefix + "{notices:" + a.String() + "}" }

// Looks is the zset of what an account's provider is to be asked for, because a notice or a person named it, by the
// time (ms) of the next try; see package notices for its members. No expiry.
func Looks(a providers.Account) string { return Notices(a) + ":looks" }

// LookReasons is the hash of why looks that a worker has put off have no answer yet, by member; see package notices for the
// reasons. A field is there until the look is taken again or done; no expiry.
func LookReasons(a providers.Account) string { return Looks(a) + ":reasons" }

// Notice is a string that is there while a repetition of a notice is recognised, by the keyed fingerprint of its text.
// Expires after 20 h.
func Notice(a providers.Account, fingerprint string) string {
	return Notices(a) + ":notice:" + fingerprint
}

// Webhook is the prefix of the keys of a webhook endpoint (package webhooks).
func Webhook(name string) string { return Prefix + "{webhook:" + name + "}:" }

// Member is a record's name in the sets of its account: "ORDER" or "ORDER:REFUND". Order and refund ids
// hold no colon.
func Member(r order.Ref) string {
	if r.IsRefund() {
		return r.OrderID + ":" + r.RefundID
	}
	return r.OrderID
}

// ParseMember reads what Member writes.
func ParseMember(a providers.Account, member string) (order.Ref, bool) {
	id, refund, isRefund := strings.Cut(member, ":")
	r := order.Ref{Account: a, OrderID: id, RefundID: refund}
	return r, id != "" && isRefund == (refund != "") && !strings.Contains(refund, ":")
}

// RecordPattern matches the keys of all of an account's orders, for SCAN.
func RecordPattern(a providers.Account) string { return Prefix + "{" + a.String() + ":*}:*" }

// AnyRecordPattern matches the keys of all orders of all accounts, for SCAN, and some others.
const AnyRecordPattern = Prefix + "{*:*:*}:*"

// ParseAnyRecord is ParseRecord for a key of any account.
func ParseAnyRecord(key string) (order.Ref, bool) {
	rest, ok := strings.CutPrefix(key, Prefix+"{")
	parts := strings.SplitN(rest, ":", 3)
	if !ok || len(parts) < 3 || parts[1] == "" {
		return order.Ref{}, false
	}
	return ParseRecord(providers.Account{Provider: providers.Name(parts[0]), Merchant: parts[1]}, key)
}

// ParseRecord reads what Record writes; keys of other kinds are no record.
func ParseRecord(a providers.Account, key string) (order.Ref, bool) {
	rest, ok := strings.CutPrefix(key, Prefix+"{"+a.String()+":")
	id, kind, cut := strings.Cut(rest, "}:")
	if !ok || !cut || id == "" || strings.Contains(id, ":") {
		return order.Ref{}, false
	}
	r := order.Ref{Account: a, OrderID: id}
	if kind == "order" {
		return r, true
	}
	r.RefundID, ok = strings.CutPrefix(kind, "refund:")
	return r, ok && r.RefundID != "" && !strings.Contains(r.RefundID, ":")
}

// asynq's own keys, which the product reads and, in the sweeper, changes. A test compares their names
// and types with what asynq writes.

// Queues is the set of the queues that were ever used; asynq's inspector answers an error about any other.
const Queues = "asynq:queues"

// Queue is the prefix of a queue's keys: "pending", "active", "lease", "scheduled", "retry", "archived",
// "completed", "paused" and the tasks.
func Queue(queue string) string { return "asynq:{" + queue + "}:" }

// Task is the hash of one task.
func Task(queue, id string) string { return Queue(queue) + "t:" + id }

// Requests is what a front door's caller has used of its requests per second (package frontdoor), behind "rate:".
// Expires within seconds.
func Requests(token string) string { return Prefix + "{requests:" + token + "}" }
