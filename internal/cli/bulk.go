package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/bulk"
	"issuance/internal/cli/table"
	"issuance/internal/redisconn"
	"issuance/providers"
	"issuance/tasks"
)

// bulkFlags are the flags of bulk.
type bulkFlags struct {
	provider, lane, rejects, template, sheet string
	dryRun                                   bool
	precheck                                 precheckFlag
}

func (a *app) bulkCommand() *cobra.Command {
	var f bulkFlags
	cmd := &cobra.Command{
		Use:   "bulk FILE|-",
		Short: "Enqueue a file of very many orders: CSV, Excel or NDJSON",
		Long: `Enqueue a file (- for standard input) of very many orders, one a line, in little memory.

NDJSON holds an order document on each line, as "enqueue issue" takes it; with --provider, bare
requests. CSV starts with a line of column titles, which are the fields of the provider's request
in the provider's own spelling; cells that are empty, and columns that are left out, are absent
fields. Print a file to start from with --template.

` + columnsHelp() + `
CSV is UTF-8, with or without a byte order mark; cells are separated by commas and may stand in
quotes. Semicolons or tabs separate them where the header has only those. Spaces around a cell mean nothing, and neither do columns and rows that hold nothing.

An Excel workbook (.xlsx), by whatever name, is read like CSV: its only sheet that holds something,
or the one named by --sheet. Formulas count as what they last came to; lines are Excel's rows.
Hidden rows count, and are named; cells that are merged over several rows are refused. Keep
long numbers and numbers that begin with 0 in columns formatted as Text: Excel keeps 15 digits.

Wrong lines do not keep the others from being enqueued: all others ARE enqueued, and the exit code
is 2. Keep the wrong ones with --rejects: that file holds them as they came, with what is wrong in
a column (or field) rejected_because, in CSV behind "rejected: "; correct the lines and feed that
file in again. Name it .xlsx to correct it in Excel, which changes cells of CSV that were right. The
notes may stay: they are never read as a part of an order. With --dry-run, every line is checked and
nothing is enqueued.

Running the same file again enqueues only what is missing, so after an interruption (Ctrl-C), or
with Redis gone, just run it again. A line with the number of another order is rejected, and so are
lines of the file that have one number: all of them, but of a pipe those behind the first. A dry
run does not compare lines with what is enqueued.

With --json each wrong line is an object on standard output, {"error":{…}} with line, order_id and
violations, and the summary follows them.

Exit codes: 0 all lines are fine (being enqueued already is fine); 1 not everything could be
enqueued; 2 some lines are wrong, numbers of other orders included, or there are none; 5 Redis does
not answer.`,
		Example: `  enqueue bulk --template ecticket-electronic > orders.csv
  enqueue bulk --dry-run orders.csv
  enqueue bulk orders.csv --rejects rejects.csv
  enqueue watch --file orders.csv`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.template != "" {
				return takes(0, 0, "--template NAME alone")(cmd, args)
			}
			return takes(1, 1, "FILE, or - for standard input")(cmd, args)
		},
		ValidArgsFunction: completeBulk,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.template != "" {
				return a.template(f.template)
			}
			f.precheck.given = cmd.Flags().Changed("precheck")
			return a.bulk(cmd.Context(), f, args[0])
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "check every line and enqueue nothing")
	flags.StringVar(&f.rejects, "rejects", "", "write wrong lines, with what is wrong, into this `FILE`: CSV, NDJSON, or a workbook where it is named .xlsx (an old one is replaced)")
	flags.StringVar(&f.template, "template", "", "print a CSV file to start from: "+strings.Join(templateNames(), ", "))
	flags.StringVar(&f.provider, "provider", "", "the orders are of this `ACCOUNT`, or PROVIDER, and NDJSON holds bare requests to it")
	flags.StringVar(&f.lane, "lane", string(tasks.Bulk), "bulk (nobody waits for single orders) or checkout")
	addSheetFlag(cmd, &f.sheet)
	a.addPrecheckFlag(cmd, &f.precheck)
	completeFlag(cmd, "template", templateNames()...)
	a.completeAccountFlag(cmd, "provider")
	completeFlag(cmd, "lane", laneNames()...)
	return cmd
}

// columnsHelp lists the columns of every provider.
func columnsHelp() string {
	t := table.Table{Indent: "  ", Width: 98}
	for _, c := range providers.Codecs() {
		text := strings.Join(c.Columns.Scalars, ", ")
		if items := c.Columns.Items; len(items) > 0 {
			text += fmt.Sprintf("; items are numbered columns, to %d: %s1, %s2 …", bulk.MaxItems, strings.Join(items, "1, "), items[0])
		}
		t.Row(string(c.Name), text)
	}
	var out strings.Builder
	_, _ = t.WriteTo(&out) // a builder takes everything
	return out.String()
}

func templateNames() []string {
	var names []string
	for _, t := range bulk.Templates() {
		names = append(names, t.Name)
	}
	return names
}

func (a *app) template(name string) error {
	for _, t := range bulk.Templates() {
		if t.Name == name {
			checked, err := rules(a.env, a.now)
			if err != nil {
				return err
			}
			return a.print("%s", t.CSV(a.now(), checked.Escrow))
		}
	}
	return usagef("--template: there is no %q; there are %s", name, strings.Join(templateNames(), ", "))
}

func (a *app) bulk(ctx context.Context, flags bulkFlags, name string) error {
	r, lane, err := enqueueFlags{provider: flags.provider, lane: flags.lane}.reading(false)
	if err != nil {
		return err
	}
	file, err := a.openBulk(ctx, name, bulk.Reading{Account: r.account, Sheet: flags.sheet, Explain: r.explain})
	if err != nil {
		return err
	}
	defer file.close()
	s, err := a.connect(ctx)
	switch {
	case err == nil:
		defer s.close()
	case flags.dryRun && ctx.Err() == nil:
		a.report("lines are checked without Redis: %s", firstLine(err))
		s = &session{env: a.env}
	default:
		return err
	}
	moment := a.now() // one for all lines
	checked, err := rules(s.env, func() time.Time { return moment })
	if err != nil {
		return err
	}
	opt := bulk.Options{Rules: checked, Workers: runtime.GOMAXPROCS(0), Progress: &bulk.Progress{}}
	if flags.dryRun && s.rdb != nil {
		if opt.Account, err = s.accountsKnown(); err != nil {
			return err
		}
	}
	if !flags.dryRun {
		if err := s.enqueueInto(ctx, &opt, lane); err != nil {
			return err
		}
		a.warnUnannounced(ctx, s)
	}
	pre, err := a.precheckFor(ctx, s, flags.precheck, flags.dryRun)
	if err != nil {
		return err
	}
	defer pre.close()
	opt.Check = pre.check
	wrong, err := a.newRejects(ctx, flags.rejects, file)
	if err != nil {
		return err
	}
	opt.Reject = wrong.add
	failed := unqueued{app: a, session: s, ctx: ctx}
	opt.Failed = failed.add
	defer thrifty(a.env)()
	began := time.Now()
	stop := a.follow(func() state { return bulkState(opt.Progress, file.size(), time.Since(began)) })
	err = bulk.Run(ctx, file.File, opt)
	stop()
	err = errors.Join(err, wrong.close(err == nil))
	wrong.print()
	failed.print()
	sum := summary{app: a, input: file.input, session: s, progress: opt.Progress, dryRun: flags.dryRun, took: time.Since(began), err: err}
	return sum.end(ctx, pre, wrong)
}

// enqueueInto makes a run enqueue what it reads.
func (s *session) enqueueInto(ctx context.Context, opt *bulk.Options, lane tasks.Lane) error {
	client, err := s.tasks(opt.Rules)
	if err != nil {
		return err
	}
	if err := client.Ready(ctx); err != nil {
		return err
	}
	opt.Prepare = func(ctx context.Context, o *tasks.Order) (tasks.Prepared, error) { return client.Prepare(ctx, o, lane) }
	opt.Enqueue = client.EnqueuePrepared
	return nil
}

// accountsKnown judges the accounts of a dry run as the real run does, once workers have announced any of the provider's.
func (s *session) accountsKnown() (func(context.Context, tasks.Account) (tasks.Account, error), error) {
	client, err := s.reader()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, a tasks.Account) (tasks.Account, error) {
		served, err := client.Served(ctx, a)
		if unknown := new(tasks.UnknownAccountError); errors.As(err, &unknown) && len(unknown.Served) == 0 {
			return a, nil
		}
		return served, err
	}, nil
}

// firstLine keeps the message of several mistakes short.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// unqueued are orders that are right and could not be enqueued.
type unqueued struct {
	*app
	session *session
	ctx     context.Context
	list    []string
	n       int
}

// maxFailures is how many orders may fail before the run is given up.
const maxFailures = 1000

func (f *unqueued) add(line int, err error) error {
	if takesNoWrites(err) || redisconn.RefusalOf(err) != redisconn.NotRefused { // as of every other
		return err
	}
	if f.n++; len(f.list) < maxListedLines {
		f.list = append(f.list, fmt.Sprintf("line %d: %v", line, err))
	}
	if f.n >= maxFailures || !f.session.answers(f.ctx) {
		return err
	}
	return nil
}

func (f *unqueued) print() {
	for _, text := range f.list {
		f.report("%s", text)
	}
	if more := f.n - len(f.list); more > 0 {
		f.report("… and %s more failed", thousands(int64(more)))
	}
}
