package providers

// Health is how an account is, as far as its calls and its workers show. The first that applies, in the
// order of Healths, is an account's.
type Health string

const (
	// HealthNoWorker: no worker serves the account, so nothing happens for it.
	HealthNoWorker Health = "no_worker"
	// HealthPaused: an operator has paused all of the account's calls.
	HealthPaused Health = "paused"
	// HealthBanned: the provider has answered HTTP 403, so no call leaves until the ban is over.
	HealthBanned Health = "banned"
	// HealthUnreachable: there is no connection, no answer in time, or the answer is HTTP 429 or 5xx.
	HealthUnreachable Health = "unreachable"
	// HealthRefused: the provider turns our credentials, our signature or our address away.
	HealthRefused Health = "refused"
	// HealthGarbage: what comes back is no answer of the provider's to the call, such as a page with
	// HTTP 200.
	HealthGarbage Health = "garbage"
	// HealthKeyMissing: some of the account's documents are sealed with a key that the worker which
	// met them does not hold. The others go on.
	HealthKeyMissing Health = "key_missing"
	// HealthOK: the latest answer was authentic, whatever it said.
	HealthOK Health = "ok"
)

// Healths lists every state, the one that counts most first.
func Healths() []Health {
	return []Health{HealthNoWorker, HealthPaused, HealthBanned, HealthUnreachable, HealthRefused, HealthGarbage, HealthKeyMissing, HealthOK}
}
