package config

import (
	"slices"
	"strings"

	"issuance/internal/baseurl"
)

// Part is a group of variables that a command reads, so that a mistake in any other does not stand in
// its way.
type Part string

const (
	Connection Part = "connection" // where Redis is
	Keys       Part = "keys"       // seal keys
	Records    Part = "records"    // how long records are kept: who decides or cancels ends them, too
	Tasks      Part = "tasks"      // what a task takes along to the worker
	Documents  Part = "documents"  // what documents are checked against
	Prechecks  Part = "precheck"   // whether items are checked against the catalogue
	Lookups    Part = "lookups"    // the account at ECTicket
	Estimates  Part = "estimates"  // whose calls are counted, and how fast they are
	FrontDoor  Part = "gateway"    // enqueue serve
	Notices    Part = "notices"    // what ECTicket's notices are verified with
)

// LoadParts reads and checks the variables of some parts only, by the same rules as Load. Every other
// setting has its default, and there are no warnings.
func LoadParts(environment map[string]string, parts ...Part) (Config, error) {
	l := newLoader(environment, func(v Variable) bool {
		return slices.ContainsFunc(parts, func(p Part) bool { return slices.Contains(v.parts, p) })
	})
	cfg, err := l.load()
	cfg.Warnings = nil
	return cfg, err
}

// LeftBySandbox are the only settings that a sandbox leaves in its Redis, and that are believed there:
// whatever can write to Redis must not make a program read a file or call another machine.
var LeftBySandbox = []string{
	"ECTICKET_BASE_URL", "ECTICKET_MERCHANT_ID", "ECTICKET_HASH_KEY", "ECTICKET_HASH_IV", "ECTICKET_CALLS_PER_SECOND",
	"PASS2U_BASE_URL", "PASS2U_API_KEY", "ISSUANCE_SEAL_KEYS",
}

// AtSandbox is the environment of a command line whose Redis is a sandbox's. left are the settings that
// the sandbox has left there. Its accounts replace the environment's, because calls to the real ones
// would not be counted against their call budget, which is in production's Redis. The seal keys are not
// replaced: with real keys production was meant, and enqueueing into a sandbox is then refused. ignored
// are the names of the variables that were replaced.
//
// Nothing that is left makes this process read a file or call another machine: of an account that is
// not simulated on this machine nothing is taken.
func AtSandbox(environment, left map[string]string) (settings map[string]string, ignored []string) {
	settings = map[string]string{}
	for name, value := range environment {
		switch {
		case !ofAccount(name):
			settings[name] = value
		case value != "" && value != left[name]:
			ignored = append(ignored, name)
		}
	}
	const keys = "ISSUANCE_SEAL_KEYS"
	for _, name := range LeftBySandbox {
		provider, _, _ := strings.Cut(name, "_")
		if value := left[name]; name != keys && value != "" && baseurl.OnThisMachine(left[provider+"_BASE_URL"]) {
			settings[name] = value
		}
	}
	if settings[keys] == "" && settings[keys+"_FILE"] == "" {
		settings[keys] = left[keys]
	}
	slices.Sort(ignored)
	return settings, ignored
}

// ofAccount reports whether a variable is about an account at a provider.
func ofAccount(name string) bool {
	for _, v := range table() {
		if name == v.Name || v.Secret && name == v.FileName() {
			return v.account
		}
	}
	return strings.HasPrefix(name, "ECTICKET_") || strings.HasPrefix(name, "PASS2U_")
}
