package budget

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"issuance/providers"
)

// maxReason is how many characters are kept of the reason of a ban or a pause.
const maxReason = 200

// Banned stops all workers' calls of the allowance; the provider's client calls it on HTTP 403.
// The reason must be safe to show. It outlives the caller's context, and when Redis does not
// answer, this process publishes it before its next call.
func (b *Budget) Banned(ctx context.Context, reason string) {
	reason = oneLine(reason, maxReason)
	if reason == "" {
		reason = "the provider refuses calls"
	}
	b.mu.Lock()
	r := &refusal{reason: reason, at: b.clock()}
	if u := b.unpublished; u != nil && r.at.Sub(u.at) < b.cfg.Ban {
		r.logged = u.logged // the same ban
	}
	b.unpublished = r
	if p := probeOf(ctx); p != nil && p.idle && !b.own.probes.proven {
		b.own.probes.banned = true
	}
	b.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishLimit)
	defer cancel()
	if err := b.publish(ctx); err != nil && b.firstLog(r) {
		b.cfg.Log.ErrorContext(ctx, "alarm: banned by the provider, and the ban could not be published: this worker makes no call, others may",
			"account", b.cfg.Account.String(), "reason", reason, "error", err)
	}
}

// firstLog reports whether nothing was logged of a refusal so far, and notes that something is now.
func (b *Budget) firstLog(r *refusal) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := !r.logged
	r.logged = true
	return first
}

// publish writes a ban to Redis that may not be there yet; usually there is none. The ban counts from
// the provider's answer: an earlier attempt may have written it, and it may be over by now.
func (b *Budget) publish(ctx context.Context) error {
	b.mu.Lock()
	r := b.unpublished
	b.mu.Unlock()
	if r == nil {
		return nil
	}
	left := b.cfg.Ban - b.clock().Sub(r.at)
	if left <= 0 {
		b.published(r)
		return nil
	}
	n, err := banScript.Run(ctx, b.rdb, []string{b.keys.ban},
		left.Microseconds(), b.cfg.Ramp.Microseconds(), r.reason, b.now()).Int64Slice()
	if err == nil && len(n) != 2 {
		err = fmt.Errorf("unexpected answer %v", n)
	}
	if err != nil {
		return b.unreachable(err)
	}
	b.published(r)
	if n[0] == 1 && b.firstLog(r) {
		b.cfg.Log.Log(ctx, b.reports(ctx, providers.HealthBanned, slog.LevelError), "alarm: the account is banned: no worker calls it for a while",
			"account", b.cfg.Account.String(), "reason", r.reason, "for", (time.Duration(n[1]) * time.Microsecond).Round(time.Second))
	}
	return nil
}

// published forgets a refusal that is in Redis, unless there was another one meanwhile.
func (b *Budget) published(r *refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unpublished == r {
		b.unpublished = nil
	}
}

func (b *Budget) heldByBan(a answer) error {
	return &providers.HeldError{
		RetryAfter: max(a.wait, minRetry),
		Reason:     b.cfg.Account.String() + bannedUntil + b.clock().Add(a.wait).UTC().Format("15:04:05 UTC"),
	}
}

// oneLine makes a text one line of at most so many characters.
func oneLine(text string, most int) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	if r := []rune(strings.Join(words, " ")); len(r) > most {
		return string(r[:most])
	}
	return strings.Join(words, " ")
}
