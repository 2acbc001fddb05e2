package redisconn

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Refusal is what a Redis refuses its client: to come in, or to do something.
type Refusal string

const (
	NotRefused    Refusal = ""
	NeedsPassword Refusal = "needs-password" // none was given
	WrongPassword Refusal = "wrong-password" // or the user is unknown, or switched off
	NotPermitted  Refusal = "not-permitted"  // the user's rules (ACL) do not allow it
)

// RefusalOf finds out which refusal an error is.
func RefusalOf(err error) Refusal {
	begins := func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) }
	switch {
	case err == nil:
		return NotRefused
	case begins("NOAUTH"):
		return NeedsPassword
	case begins("WRONGPASS"), begins("AUTH "), begins("Client sent AUTH"):
		return WrongPassword
	case begins("NOPERM"), strings.Contains(err.Error(), "user executing the script can't"):
		return NotPermitted
	}
	return NotRefused
}

var (
	refusedCommand = regexp.MustCompile(`run (?:the )?'([^']+)'`)
	refusedKey     = regexp.MustCompile(`access (a key|one of the keys)|at least one of the keys`)
	refusedChannel = regexp.MustCompile(`access (a channel|one of the channels)|at least one of the channels`)
)

// Plain is an error's text, with Redis's own words for a refusal replaced by what is wrong, and the setting
// that mends it.
func Plain(err error) string {
	var answer redis.Error
	refusal := RefusalOf(err)
	if refusal == NotRefused || !errors.As(err, &answer) {
		return err.Error()
	}
	return strings.Replace(err.Error(), answer.Error(), refusal.text(answer.Error()), 1)
}

// text says what a refusal means; answer is Redis's own text.
func (r Refusal) text(answer string) string {
	switch r {
	case NeedsPassword:
		return "Redis wants a password: write REDIS_URL as redis://USER:PASSWORD@HOST:PORT/DB (without USER for its default user)"
	case WrongPassword:
		return "Redis refuses the user or the password: check USER:PASSWORD in REDIS_URL"
	}
	what := "do this"
	switch command := refusedCommand.FindStringSubmatch(answer); {
	case command != nil:
		what = fmt.Sprintf("run %q", command[1])
	case refusedKey.MatchString(answer):
		what = "use one of the keys that this needs"
	case refusedChannel.MatchString(answer):
		what = "use one of the channels that this needs"
	}
	return "Redis does not permit the user of REDIS_URL to " + what + " (ACL)"
}
