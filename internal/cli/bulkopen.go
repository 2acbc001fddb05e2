package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"issuance/internal/bulk"
	"issuance/internal/bulk/workbook"
)

// bulkFile is an opened file of orders.
type bulkFile struct {
	*bulk.File
	input *inputFile
}

func (f *bulkFile) size() int64 { return f.input.size() }

func (f *bulkFile) close() {
	_ = f.File.Close() // only temporary files
	f.input.close()
}

// addSheetFlag adds --sheet to a command that takes a bulk's file.
func addSheetFlag(cmd *cobra.Command, sheet *string) {
	cmd.Flags().StringVar(sheet, "sheet", "", "read this `SHEET` of an Excel workbook (default: the only one that holds something)")
	completeFlag(cmd, "sheet")
}

// fileFlags are the flags of commands that take orders or a bulk's file of them.
type fileFlags struct{ name, sheet, provider string }

func (a *app) addFileFlags(cmd *cobra.Command, f *fileFlags, what string) {
	cmd.Flags().StringVar(&f.name, "file", "", what)
	addSheetFlag(cmd, &f.sheet)
	cmd.Flags().StringVar(&f.provider, "provider", "", "the file's NDJSON holds bare requests to this `ACCOUNT`, or PROVIDER")
	a.completeAccountFlag(cmd, "provider")
}

// orOrders makes other arguments than orders, or none beside a file, a usage error.
func (f *fileFlags) orOrders(cmd *cobra.Command, args []string) error {
	switch {
	case f.name != "":
		return takes(0, 0, "--file FILE alone")(cmd, args)
	case len(args) == 0:
		return takes(2, -1, manyOrders+", or --file FILE")(cmd, args)
	}
	return takesOrders(manyOrders)(cmd, args)
}

// reading checks the flags.
func (f *fileFlags) reading() (bulk.Reading, error) {
	r, _, err := enqueueFlags{provider: f.provider}.reading(false)
	return bulk.Reading{Account: r.account, Sheet: f.sheet, Explain: r.explain}, err
}

// openBulk opens a file of orders, "-" for standard input. Reading it ends with ctx, even where
// nothing comes.
func (a *app) openBulk(ctx context.Context, name string, r bulk.Reading) (*bulkFile, error) {
	in, err := a.openInput(ctx, name)
	if err != nil {
		return nil, err
	}
	f := &bulkFile{input: in}
	if f.File, err = bulk.Open(in.Reader, r); err != nil {
		in.close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, in.unusable(err)
	}
	if f.Hidden != "" {
		a.report("rows that Excel hides, by a filter perhaps, count like any other: %s", f.Hidden)
	}
	return f, nil
}

// unusable is the error of a file that cannot be read as one of orders.
func (f *inputFile) unusable(err error) error {
	if sheets := new(workbook.SheetsError); errors.As(err, &sheets) {
		return f.wrong(fmt.Errorf("%w; choose one with --sheet NAME", err))
	}
	usage := &usageError{code: codeInvalid, err: fmt.Errorf("%s: %w", f.shown, err)}
	if bad := new(bulk.FileError); errors.As(err, &bad) {
		usage.violations = problemLines(bad.Problems, "", 0)
	}
	return usage
}

// problemLines are the problems of a line with --json. sheet is the workbook's, if it is one.
func problemLines(problems []bulk.Problem, sheet string, line int) []violationLine {
	var out []violationLine
	for _, whole := range problems {
		for _, p := range whole.Fields() {
			v := violationLine{Path: p.Where, Rule: p.Rule, Shape: p.Shape, Advice: p.Advice}
			if sheet != "" && p.Column > 0 {
				v.Cell = workbook.Cell(p.Column, line)
			}
			out = append(out, v)
		}
	}
	return out
}
