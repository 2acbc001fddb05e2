//go:build race

package chaos

// raceFlags build workers like this test itself.
var raceFlags = []string{"-race"}
