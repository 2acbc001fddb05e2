package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// ours are the beginnings of this program's names. Names that begin otherwise, such as LOG_, are looked at for typing errors only.
var ours = []string{"ECTICKET_", "PASS2U_", "POLL_", "ISSUANCE_", "WORKER_", "GATEWAY_", "REDIS_"}

// typingErrors is how many make a name one of ours where it does not begin as ours do.
const typingErrors = 2

// theirs are names that look like ours and are not: Kubernetes gives every container the address of a
// service called "worker", and the tests have a switch.
var theirs = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_|$)|_PORT(_[0-9]+_(TCP|UDP).*)?$|^ISSUANCE_TEST_`)

// Misspelled are warnings of names in an environment that look like ours but mean nothing, for a program that reads some
// parts only.
func Misspelled(environment map[string]string) []string {
	var l loader
	l.unknown(environment)
	return l.cfg.Warnings
}

// unknown warns of names that look like ours but mean nothing: a misspelled variable would
// otherwise silently leave the default in force. Values are not shown.
func (l *loader) unknown(environment map[string]string) {
	known := map[string]bool{}
	plain := map[string]bool{}
	var names []string
	for _, v := range Table() {
		known[v.Name] = true
		names = append(names, v.Name)
		if v.Secret {
			known[v.FileName()] = true
			names = append(names, v.FileName())
		} else {
			plain[v.Name+"_FILE"] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if known[name] || theirs.MatchString(name) {
			continue
		}
		begins := slices.ContainsFunc(ours, func(p string) bool { return strings.HasPrefix(name, p) })
		near, typos := nearest(strings.ToUpper(name), names)
		switch {
		case !begins && (near == "" || typos > typingErrors):
		case plain[name]:
			l.warn("%s is not used: only secrets can come from a file; set %s itself", name, strings.TrimSuffix(name, "_FILE"))
		case near != "":
			l.warn("%s is not a variable of this program; did you mean %s?", name, near)
		default:
			l.warn("%s is not a variable of this program; --help lists them", name)
		}
	}
}

// nearest returns the known name with the fewest typing errors and how many these are, if there are only a few.
func nearest(name string, known []string) (best string, typos int) {
	least := 1 + min(4, len(name)/4)
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); d < least {
			best, least = k, d
		}
	}
	return best, least
}
