// Package plain makes the program's error texts and numbers readable for those who do not know its packages. It imports
// nothing of ours.
package plain

import "regexp"

// rooms are the names with which packages begin their errors. A provider's name is not among them: an
// account's error begins with it.
var rooms = regexp.MustCompile(`(^|[:;(] ?|\n)(?:(?:announce|baseurl|budget|bulk|cli|config|embedredis|fair|handler|input|issuing|itemcheck|keys|ledger|notices|` +
	`plain|pollers|providers|queue|redis|redisconn|refunding|sandboxfile|seal|servers|sweeper|table|tasks|vault|webhooks): )+`)

// Text is an error's text without the names of packages.
func Text(s string) string {
	for {
		short := rooms.ReplaceAllString(s, "$1")
		if short == s {
			return s
		}
		s = short
	}
}
