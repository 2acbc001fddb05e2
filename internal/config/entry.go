package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"time"

	"issuance/providers"
)

// Keys of an entry of the accounts file that are the same for every provider; the others are its variables'.
const (
	keyProvider  = "provider"
	keyAccount   = "account"
	keyDefault   = "default"
	keyAllowance = "allowance"
)

// key is a variable's key in the accounts file, such as hash_key of ECTICKET_HASH_KEY.
func (k kind) key(variable string) string {
	if variable == k.merchant {
		return keyAccount
	}
	return strings.ToLower(strings.TrimPrefix(variable, k.prefix))
}

// variables are those of the kind's accounts, by their keys in the accounts file.
func (k kind) variables() map[string]string {
	out := map[string]string{}
	for _, v := range table() {
		if strings.HasPrefix(v.Name, k.prefix) && v.account && v.Name != k.merchant {
			out[k.key(v.Name)] = v.Name
			if v.Secret {
				out[k.key(v.FileName())] = v.FileName()
			}
		}
	}
	return out
}

// inFile rewrites what is said of variables into what it is called in the accounts file.
func (k kind) inFile(text string) string {
	return regexp.MustCompile(k.prefix+`[A-Z_]+`).ReplaceAllStringFunc(text, k.key)
}

// account reads an entry. It is an account unless there are mistakes; terms says that there is none in what accounts of one allowance share.
func (r *fileReading) account(e entry) (a Account, terms bool) {
	text := e.text(keyProvider)
	k, known := kindOf(providers.Name(text))
	if !known {
		r.wrong(e, keyProvider, "must be %s", strings.Join(kindNames(), " or "))
		return a, false
	}
	sub, merchant := r.loader(k, e)
	sub.readFiles()
	group, _ := reflect.TypeFor[Config]().FieldByName(groupOf(k))
	sub.parseGroup(reflect.ValueOf(&sub.cfg).Elem().FieldByIndex(group.Index))
	k.check(sub)
	sub.durations()
	sub.needed(k, e)
	for _, m := range sub.mistakes {
		r.wrong(e, k.key(m.Variable), "%s", k.inFile(m.Text))
	}
	for _, w := range sub.cfg.Warnings {
		r.warn(e, "%s", k.inFile(w))
	}
	a = k.accountOf(&sub.cfg, merchant)
	a.Allowance = e.text(keyAllowance)
	a.Default = r.flag(e, keyDefault)
	terms = !sub.broken[k.prefix+"CALLS_PER_SECOND"] && !sub.broken[k.prefix+"BAN"]
	if a.Allowance != "" && !allowancePattern.MatchString(a.Allowance) {
		terms = false
		r.wrong(e, keyAllowance, "must be 1 to 100 letters, digits, '_', '.', ':' or '-'")
	}
	if r.taskTimeout > 0 && sub.usable(k.prefix+"TIMEOUT") && a.Timeout >= r.taskTimeout {
		r.wrong(e, "timeout", "is %s; it must be shorter than WORKER_TASK_TIMEOUT (%s): otherwise a task ends while its call is under way", a.Timeout, r.taskTimeout)
	}
	return a, terms
}

// allowancePattern is the call budget's rule.
var allowancePattern = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,100}$`)

// loader prepares to read an entry by the rules of the environment.
func (r *fileReading) loader(k kind, e entry) (l *loader, merchant string) {
	variables := k.variables()
	env := map[string]string{}
	for _, key := range e.keys {
		switch variable := variables[key.name]; {
		case key.name == keyProvider, key.name == keyAccount, key.name == keyDefault, key.name == keyAllowance:
		case variable == "":
			r.unknownKey(e, key, variables)
		default:
			env[variable] = key.text
		}
	}
	merchant = e.text(keyAccount)
	if codec, ok := providers.CodecOf(k.provider); ok && merchant == "" {
		merchant = codec.DefaultMerchant
	}
	switch {
	case merchant == "":
		r.wrong(e, keyAccount, "is missing: write the merchant's id")
	case k.merchant != "":
		env[k.merchant] = merchant
	case !providers.ValidMerchant(merchant):
		r.wrong(e, keyAccount, "must be 1 to 40 letters, digits, '-' or '_'")
	}
	l = newLoader(env, func(v Variable) bool { return strings.HasPrefix(v.Name, k.prefix) && v.account && r.reads(v) })
	l.read = func(path string) ([]byte, error) {
		if exposed(path) {
			r.warn(e, "every user of this machine can read the secret in %s", path)
		}
		return r.read(path)
	}
	return l, merchant
}

// needed reports what calls need and the entry lacks, where it is read.
func (l *loader) needed(k kind, e entry) {
	for _, name := range k.needs {
		v, read := l.table[name]
		if !read || name == k.merchant || l.given[name] != "" || l.given[v.FileName()] != "" {
			continue
		}
		if _, calls := l.table[k.prefix+"BASE_URL"]; calls || e.hasSecret(k) {
			l.wrong(name, "is missing: write it, or %s_file", k.key(name))
		}
	}
}

// hasSecret reports whether an entry has any of what its calls need.
func (e entry) hasSecret(k kind) bool {
	for _, name := range k.needs {
		if key := k.key(name); name != k.merchant && (e.text(key) != "" || e.text(key+"_file") != "") {
			return true
		}
	}
	return false
}

func (r *fileReading) unknownKey(e entry, key entryKey, known map[string]string) {
	names := []string{keyProvider, keyAccount, keyDefault, keyAllowance}
	for name := range known {
		names = append(names, name)
	}
	shown := key.name
	if !keyPattern.MatchString(shown) {
		shown = "a key" // it may be anything
	}
	if near, _ := nearest(key.name, names); near != "" {
		r.wrongKey(e, key, key.line, "%s is unknown; did you mean %s?", shown, near)
		return
	}
	r.wrongKey(e, key, key.line, "%s is unknown; docs/accounts.md lists the keys", shown)
}

var keyPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

func (r *fileReading) flag(e entry, key string) bool {
	switch e.text(key) {
	case "", "false":
		return false
	case "true":
		return true
	}
	r.wrong(e, key, "must be true or false")
	return false
}

// groupOf is the field of Config that holds the settings of a kind.
func groupOf(k kind) string {
	for _, v := range table() {
		if strings.HasPrefix(v.Name, k.prefix) && v.account {
			return reflect.TypeFor[Config]().Field(v.group).Name
		}
	}
	panic(fmt.Sprintf("config: %s has no settings", k.provider))
}

func kindNames() (names []string) {
	for _, k := range kinds {
		names = append(names, string(k.provider))
	}
	return names
}

// exposed reports whether every user of the machine may read a file.
func exposed(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0
}

// taskTimeout is how long a task may run at most, 0 where that is not read.
func (l *loader) taskTimeout() time.Duration {
	if l.usable("WORKER_TASK_TIMEOUT") {
		return l.cfg.Worker.TaskTimeout
	}
	return 0
}
