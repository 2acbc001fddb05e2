package providers

import "context"

// Memory keeps small facts that a client has learned of its account, for all workers that serve it and beyond the process: in
// which zone the provider writes times, which spelling it takes. Never customers' data, never secrets. A fact is forgotten
// 30 days after it was shown last. Safe for concurrent use.
type Memory interface {
	// Recall is a fact as this process knows it. It asks nobody.
	Recall(fact string) (value string, ok bool)
	// Reread asks for what other workers have learned a moment ago. Where that fails, Recall is as before.
	Reread(ctx context.Context)
	// Remember keeps a fact that has just been shown. News is written at once, for other workers, and anything else at most
	// once an hour. Where that fails, the fact is lost with the process.
	Remember(ctx context.Context, fact, value string, news bool)
}

// NoMemory is a Memory that keeps nothing.
type NoMemory struct{}

// Recall knows nothing.
func (NoMemory) Recall(string) (value string, ok bool) { return "", false }

// Reread does nothing.
func (NoMemory) Reread(context.Context) {}

// Remember does nothing.
func (NoMemory) Remember(context.Context, string, string, bool) {}
