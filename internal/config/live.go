package config

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"issuance/internal/livefile"
	"issuance/providers"
	"issuance/providers/ecticket/wire"
)

// Live are a configuration's accounts as they are now: those of the environment, and those of the accounts file, which is
// read again when it changes, or a file with a secret that it names. Safe for concurrent use.
type Live struct{ file *livefile.File[read] }

// read is what one reading has found.
type read struct {
	accounts []Account
	warnings []FileMistake
}

// Live are the accounts as they are now. What is wrong with the file later is logged.
func (c Config) Live(log *slog.Logger) *Live {
	if c.live == nil {
		return &Live{livefile.Fixed(read{accounts: c.Accounts})}
	}
	f := c.live.file
	shown := c.Warnings
	f.Log = log
	f.Changed = func(now read) {
		log.Info("accounts read", "accounts", len(now.accounts))
		warnings := inLog(now.warnings)
		for _, w := range warnings {
			if !slices.Contains(shown, w) {
				log.Warn("configuration: " + w)
			}
		}
		shown = warnings
	}
	return c.live
}

// Current are the accounts by name. A file that cannot be read, or has mistakes, changes nothing.
func (l *Live) Current() []Account { return l.file.Current().accounts }

// Names are the accounts of a provider by name, with or without what their calls need.
func (l *Live) Names(p providers.Name) (names []providers.Account) {
	for _, a := range l.Current() {
		if a.Name.Provider == p {
			names = append(names, a.Name)
		}
	}
	return names
}

// Reload reads the file at once.
func (l *Live) Reload() ([]Account, error) {
	now, err := l.file.Reload()
	return now.accounts, err
}

// NoticeKeys are what notices of an ECTicket merchant are verified with; ok is false for one that is not there.
func (l *Live) NoticeKeys(merchant string) (keys wire.Keys, platformID string, ok bool) {
	a, ok := Find(l.Current(), providers.Account{Provider: providers.ECTicket, Merchant: merchant})
	if !ok || merchant == "" {
		return keys, "", false
	}
	return a.NoticeKeys()
}

// Merchant is the ECTicket merchant that a document names, or the default one for "", and whether escrow's fields are its
// own; ok is false where there is none.
func (l *Live) Merchant(id string) (merchant string, escrow, ok bool) {
	a, ok := Find(l.Current(), providers.Account{Provider: providers.ECTicket, Merchant: id})
	if !ok {
		return "", false, false
	}
	return a.Name.Merchant, a.settings.rules().Escrow, true
}

// accounts finds all accounts, once everything else has been read.
func (l *loader) accounts() {
	own := l.cfg.ofEnvironment()
	l.cfg.Accounts = byName(own)
	path := l.cfg.File.Path
	if path == "" {
		return
	}
	if exposed(path) {
		l.warn("ISSUANCE_ACCOUNTS_FILE: every user of this machine can read %s", path)
	}
	reads := func(v Variable) bool { _, ok := l.table[v.Name]; return ok }
	f, err := livefile.Open(livefile.Config[read]{Path: path, Name: "accounts file", Kept: "the accounts read before",
		Log: slog.New(slog.DiscardHandler), Parse: parseAccounts(own, reads, l.taskTimeout())})
	var wrong *FileError
	switch {
	case errors.As(err, &wrong):
		for _, m := range wrong.Mistakes {
			l.wrong("ISSUANCE_ACCOUNTS_FILE", "%s", m)
		}
	case err != nil:
		l.wrong("ISSUANCE_ACCOUNTS_FILE", "%s", strings.TrimPrefix(err.Error(), "accounts file: "))
	default:
		now := f.Current()
		l.cfg.Accounts, l.cfg.live = now.accounts, &Live{f}
		l.cfg.Warnings = append(l.cfg.Warnings, inLog(now.warnings)...)
	}
}

// parseAccounts reads the accounts file beside the environment's own accounts. reads are the variables to read.
func parseAccounts(own []Account, reads func(Variable) bool, taskTimeout time.Duration) func([]byte, func(string) ([]byte, error)) (read, error) {
	return func(raw []byte, open func(string) ([]byte, error)) (read, error) {
		r := &fileReading{reads: reads, read: open, taskTimeout: taskTimeout}
		list, err := r.accounts(raw)
		if err != nil {
			return read{}, err
		}
		for _, a := range own {
			if slices.ContainsFunc(list, func(o Account) bool { return o.Name.Provider == a.Name.Provider }) {
				r.wrongAt(0, "", "it has accounts of %s, and so has the environment (%s): remove one of them", a.Name.Provider, strings.Join(Needs(a.Name.Provider), ", "))
			}
		}
		if len(r.mistakes) > 0 {
			return read{}, &FileError{r.mistakes, r.shownWarnings()}
		}
		return read{byName(append(list, own...)), r.shownWarnings()}, nil
	}
}

func byName(list []Account) []Account {
	slices.SortFunc(list, func(a, b Account) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	return list
}

// CheckAccounts reads an accounts file as a worker with this environment would. The error is a *FileError, or what
// keeps the file from being read. The environment's own accounts do not count.
func CheckAccounts(environment map[string]string, path string) (list []Account, warnings []FileMistake, err error) {
	l := newLoader(environment, func(v Variable) bool { return !v.account })
	l.parse()
	f, err := livefile.Open(livefile.Config[read]{Path: path, Name: "accounts file",
		Parse: parseAccounts(nil, func(Variable) bool { return true }, l.taskTimeout())})
	if exposed(path) {
		warnings = []FileMistake{{Text: "every user of this machine can read it"}}
	}
	var wrong *FileError
	if errors.As(err, &wrong) {
		wrong.Warnings = append(warnings, wrong.Warnings...)
	}
	if err != nil {
		return nil, nil, err
	}
	now := f.Current()
	return now.accounts, append(warnings, now.warnings...), nil
}
