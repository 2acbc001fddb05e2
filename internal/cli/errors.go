package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/ledger"
	"issuance/internal/plain"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/internal/typed"
	"issuance/providers"
	"issuance/tasks"
)

// exitHelp explains exit codes and errors.
func exitHelp() string {
	names := map[int][]string{}
	for _, c := range Codes() {
		names[c.Exit] = append(names[c.Exit], c.Name)
	}
	code := func(exit int) string { return strings.Join(names[exit], ", ") + fmt.Sprintf(" (%d)", exit) }
	return `Exit codes: 0 fine; 1 it could not be done; 2 the input is wrong, and nothing was done (but for
bulk, which enqueues the lines that are right); 3 another document has the number; 4 no such order or
refund; 5 Redis does not answer, or takes no writes, so repeat the command, which is always safe. Of several
documents that fail for different reasons the exit code is 1.

With --json every error is also one line on standard output:
  {"error":{"code":"conflict","message":"…"}}
with code ` + code(Wrong) + ", " + code(Conflict) + ", " + code(Unknown) + ", " + code(Unreachable) + ", or " + code(CouldNot) + `.
Where it is about one document of several, account, order_id and refund_id name it, and
at its place in the input, or line that of a bulk. "violations" lists what is wrong with documents:
path, rule and shape.`
}

// problem is an error as it is reported, with --json as {"error":{…}}.
type problem struct {
	Code       string          `json:"code"`
	Message    string          `json:"message"`
	At         string          `json:"at,omitempty"`   // the document's place in the input
	Line       int             `json:"line,omitempty"` // of a bulk's file
	Account    *tasks.Account  `json:"account,omitempty"`
	OrderID    string          `json:"order_id,omitempty"`
	RefundID   string          `json:"refund_id,omitempty"`
	Violations []violationLine `json:"violations,omitempty"`
}

// violationLine is a broken rule with --json.
type violationLine struct {
	At     string `json:"at,omitempty"`
	Path   string `json:"path"`
	Cell   string `json:"cell,omitempty"` // of an Excel workbook
	Rule   string `json:"rule"`
	Shape  string `json:"shape,omitempty"`
	Advice string `json:"advice,omitempty"` // what a spreadsheet has probably done to it
}

// about names the order or refund that a problem is about.
func (p problem) about(r tasks.Ref) problem {
	p.Account, p.OrderID, p.RefundID = &r.Account, r.OrderID, r.RefundID
	return p
}

// usageError is a wrong command line or input.
type usageError struct {
	err        error
	code       string // codeUsage or codeInvalid
	help       bool   // the command's help would answer it
	violations []violationLine
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), code: codeUsage, help: true}
}

// badInput is a usageError about what was read, not about how the command was called.
func badInput(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), code: codeInvalid}
}

// badFile is a usageError about a file that cannot be read.
func badFile(err error) error { return &usageError{err: err, code: codeUsage} }

// flagError says what is wrong with a flag's value.
func flagError(err error) error {
	var value *pflag.InvalidValueError
	if !errors.As(err, &value) {
		return usagef("%w", err)
	}
	wanted := map[string]string{"int": "a whole number", "duration": "a length of time, such as 30s or 10m", "bool": "true or false"}
	f := value.GetFlag()
	what, known := wanted[f.Value.Type()]
	if !known {
		return usagef("--%s %s: %w", f.Name, value.GetValue(), value.Unwrap())
	}
	return usagef("--%s %q: write %s", f.Name, value.GetValue(), what)
}

// unreachableError says that Redis does not answer.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() error { return e.error }

// codedError is an error with a code of its own.
type codedError struct {
	code string
	error
}

func coded(code, format string, args ...any) error {
	return &codedError{code, fmt.Errorf(format, args...)}
}

// namedError says which order or refund an error is about.
type namedError struct {
	ref tasks.Ref
	error
}

func (e *namedError) Unwrap() error { return e.error }

// concerning names the order or refund that an error is about.
func concerning(r tasks.Ref, err error) error {
	if err == nil {
		return nil
	}
	return &namedError{r, err}
}

// concerningOnly names the order or refund that an error is about where it is a single one.
func concerningOnly(refs []tasks.Ref, err error) error {
	if len(refs) != 1 {
		return err
	}
	return concerning(refs[0], err)
}

// reportedError says that the reasons have been reported already.
type reportedError struct{ exit int }

func (e *reportedError) Error() string { return fmt.Sprintf("reported (exit code %d)", e.exit) }

// otherNumberError is an unknown order's, with what has its number as the provider's, or as a refund's id.
type otherNumberError struct {
	error
	known []tasks.Ref
	asked string
	// unserved says that no worker serves the account that was asked about; nil where one does, or nobody knows.
	unserved *tasks.UnknownAccountError
}

func (e *otherNumberError) Unwrap() error { return e.error }

// advice is what to ask for instead.
func (e *otherNumberError) advice() string {
	if len(e.known) == 0 && e.unserved != nil {
		return fmt.Sprintf("%s; write ACCOUNT as %s:MERCHANT", e.unserved, e.unserved.Account.Provider)
	}
	if len(e.known) == 0 {
		return elsewhereAdvice
	}
	first := e.known[0].Order().String()
	if len(e.known) > 1 {
		return fmt.Sprintf("several refunds have this id (`enqueue list --find %s`), the latest of %s", e.known[0].RefundID, first)
	}
	if number := e.known[0].OrderID; slices.Contains(typed.Numbers(e.asked), number) {
		return fmt.Sprintf("it is recorded as %s (`enqueue status %s`)", number, first)
	}
	what := "the provider's number"
	if e.known[0].IsRefund() {
		what = "a refund's id"
	}
	return fmt.Sprintf("it is %s of %s (`enqueue status %s`)", what, first, first)
}

// elsewhereAdvice is what to check when something is not there.
const elsewhereAdvice = "check account and number, and that REDIS_URL is your workers' Redis; records of settled orders are kept for 400 days (ISSUANCE_KEEP_RECORDS)"

// explain is the one place where errors get their code, the advice that goes with them, and the
// name of what they are about.
func explain(err error) problem {
	p := classify(err)
	if named := (*namedError)(nil); errors.As(err, &named) {
		p = p.about(named.ref)
	}
	return p
}

func classify(err error) problem {
	var (
		usage    *usageError
		invalid  *providers.InvalidError
		conflict *tasks.ConflictError
		account  *tasks.UnknownAccountError
		sent     *tasks.NotCancellableError
		needed   *tasks.NotErasableError
		silent   *unreachableError
		settings *config.Error
		own      *codedError
		number   *otherNumberError
	)
	p := problem{Code: codeFailed, Message: plain.Text(redisconn.Plain(err))}
	advise := func(code, advice string) problem {
		p.Code = code
		if advice != "" {
			p.Message += "; " + advice
		}
		return p
	}
	switch {
	case errors.As(err, &usage):
		p.Violations = usage.violations
		return advise(usage.code, "")
	case errors.As(err, &invalid):
		for _, v := range invalid.Violations {
			p.Violations = append(p.Violations, violationLines(violationLine{Path: v.Path, Rule: v.Rule, Shape: v.Shape})...)
		}
		return advise(codeInvalid, "")
	case errors.As(err, &conflict):
		return advise(codeConflict, "a new order or refund needs an id of its own")
	case errors.As(err, &number):
		return advise(codeUnknown, number.advice())
	case errors.Is(err, tasks.ErrUnknownOrder), errors.Is(err, ledger.ErrNotFound):
		return advise(codeUnknown, elsewhereAdvice)
	case errors.Is(err, budget.ErrNotAnnounced):
		return advise(codeAccount, "`enqueue budget` lists those that workers serve")
	case errors.As(err, &account):
		return advise(codeAccount, whichAccount(account))
	case errors.Is(err, tasks.ErrWrongKeys) && errors.Is(err, seal.ErrUnknownKey):
		return advise(codeKeys, "")
	case errors.Is(err, tasks.ErrWrongKeys):
		return advise(codeKeys, "nothing was enqueued")
	case errors.As(err, &sent):
		return advise(codeSent, whatInstead(sent))
	case errors.As(err, &needed):
		return advise(codeNeeded, "erase it once it is settled (`enqueue review` lists what a person has to decide first)")
	case errors.As(err, &settings):
		return advise(codeSettings, "")
	case errors.As(err, &own):
		return advise(own.code, "")
	case redisconn.RefusalOf(err) == redisconn.NotPermitted:
		return advise(codeSettings, "of the users of deploy/users.acl, producer may enqueue, and operator run every command")
	case redisconn.RefusalOf(err) != redisconn.NotRefused:
		return advise(codeSettings, "")
	case takesNoWrites(err):
		p.Message = "Redis " + redisconn.NoWrites(err)
		return advise(codeNoWrites, "")
	case redisconn.NoWrites(err) != "":
		p.Message = "Redis " + redisconn.NoWrites(err)
		return advise(codeAway, "")
	case errors.As(err, &silent), away(err):
		return advise(codeAway, "")
	}
	return p
}

// whichAccount says how to name an account that workers have.
func whichAccount(e *tasks.UnknownAccountError) string {
	switch {
	case e.Own && e.Account.Merchant != "":
		return "`enqueue accounts check FILE` reads the file of ISSUANCE_ACCOUNTS_FILE"
	case e.Account.Merchant == "":
		return fmt.Sprintf("write ACCOUNT as %s:MERCHANT", e.Account)
	}
	return "`enqueue budget` lists those that workers serve"
}

// whatInstead says what can be done about an order that cannot be cancelled.
func whatInstead(e *tasks.NotCancellableError) string {
	switch {
	case e.State == tasks.Review:
		return "a person has to decide it: see `enqueue review`"
	case e.Ref.IsRefund() || e.State == tasks.Failed:
		return "there is nothing to cancel any more"
	case e.State == tasks.Issued:
		return "refund it instead: `enqueue refund`"
	}
	return "wait for its end, and if it is issued, refund it: `enqueue refund`"
}

// violationLines are a violation as one line for each of its paths.
func violationLines(v violationLine) []violationLine {
	var out []violationLine
	for path := range strings.SplitSeq(v.Path, ", ") {
		v.Path = path
		out = append(out, v)
	}
	return out
}

// fail reports a problem: for people, and with --json as an object.
func (a *app) fail(p problem) {
	text := p.Message
	if p.At != "" {
		text = p.At + ": " + text
	}
	a.report("%s", text)
	a.failJSON(p)
}

func (a *app) failJSON(p problem) {
	if a.json {
		_ = a.printProblem(p) // an output that cannot be written has been reported, or will be
	}
}

// printProblem prints a problem with --json.
func (a *app) printProblem(p problem) error {
	return a.printJSON(struct {
		Error problem `json:"error"`
	}{p})
}

// exit reports an error that ends a command and returns the exit code.
func (a *app) exit(ctx context.Context, cmd *cobra.Command, err error) int {
	var reported *reportedError
	switch {
	case err == nil:
		return Fine
	case errors.As(err, &reported):
		return reported.exit
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		err = coded(codeInterrupt, "interrupted")
	}
	p := explain(err)
	a.fail(p)
	if usage := (*usageError)(nil); errors.As(err, &usage) && usage.help {
		a.errLine("See: " + cmd.CommandPath() + " --help")
	}
	return p.exit()
}

// failures are the problems of single documents. The zero value is ready.
type failures struct{ n, exit int }

// add reports one.
func (f *failures) add(a *app, p problem) {
	a.fail(p)
	f.count(p.exit())
}

// count counts one that has been reported. Redis being away is the reason of all others, too.
func (f *failures) count(exit int) {
	f.n++
	switch {
	case f.exit == Fine || exit == Unreachable:
		f.exit = exit
	case f.exit != exit && f.exit != Unreachable:
		f.exit = CouldNot
	}
}

// err is nil without failures.
func (f *failures) err() error {
	if f.n == 0 {
		return nil
	}
	return &reportedError{f.exit}
}

// away reports whether an error says that Redis does not answer.
func away(err error) bool {
	var network *net.OpError // a file's errors are net.Errors, too
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return begins(err, "LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY") ||
		errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrClosed)
}

// takesNoWrites reports whether an error says that Redis answers and writes nothing.
func takesNoWrites(err error) bool {
	return begins(err, "OOM", "MISCONF", "NOREPLICAS", "READONLY")
}

func begins(err error, prefixes ...string) bool {
	return err != nil && slices.ContainsFunc(prefixes, func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}
