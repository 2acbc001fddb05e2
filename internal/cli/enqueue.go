package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/seal"
	"issuance/tasks"
)

// enqueueFlags are the flags of issue and refund.
type enqueueFlags struct {
	provider, refundID, lane string // provider: whose bare requests the documents are
	wait                     bool
	timeout                  time.Duration
	precheck                 precheckFlag // issue only
}

const inputHelp = `FILE (- for standard input) holds one JSON document, an array of documents, or one document a line
(NDJSON). All of them are checked before the first is enqueued: when anything is wrong, everything
that is wrong is listed and nothing is enqueued (exit code 2).

Enqueueing the same document again changes nothing and shows where the first one stands. Another
document under the same id is rejected (exit code 3).`

func (a *app) issueCommand() *cobra.Command {
	var f enqueueFlags
	cmd := &cobra.Command{
		Use:   "issue FILE|-",
		Short: "Enqueue orders to be issued",
		Long: `Enqueue orders to be issued.

An order document is the provider's own request body, and the provider, or the account
("account":"ecticket:2000132") where the provider has several:
  {"provider":"ecticket","request":{"MerchantTradeNo":"…","IssueType":"1",…}}
  {"provider":"pass2u","request":{"channelOrderId":"…",…}}
With --provider, the bare request body is taken as it is printed in the provider's documents.

` + inputHelp,
		Example: `  enqueue issue order.json
  enqueue issue --provider ecticket example.json     # a bare request, as printed by ECPay
  enqueue issue --lane bulk orders.ndjson
  enqueue issue --wait --timeout 10m order.json      # until it is issued, or never will be`,
		Args:              takes(1, 1, "FILE, or - for standard input"),
		ValidArgsFunction: completeDocument,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.precheck.given = cmd.Flags().Changed("precheck")
			return a.enqueue(cmd.Context(), f, false, args[0])
		},
	}
	a.addEnqueueFlags(cmd, &f)
	a.addPrecheckFlag(cmd, &f.precheck)
	return cmd
}

func (a *app) refundCommand() *cobra.Command {
	var f enqueueFlags
	cmd := &cobra.Command{
		Use:   "refund FILE|-",
		Short: "Enqueue refunds",
		Long: `Enqueue refunds.

A refund document names the order, how much of it to refund, and an id of your own for this
refund; repeating it with the same id refunds once:
  {"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"…","TicketNo":["…"]}}
  {"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"…","quantity":2}}
  {"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"…","all":true}}
With --provider and --refund-id, the bare request is taken.

` + inputHelp,
		Example: `  enqueue refund refund.json
  echo '{"MerchantTradeNo":"CBX20220302153064851","all":true}' | enqueue refund --provider ecticket --refund-id R1 -
  enqueue refund --wait refunds.ndjson`,
		Args:              takes(1, 1, "FILE, or - for standard input"),
		ValidArgsFunction: completeDocument,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.enqueue(cmd.Context(), f, true, args[0]) },
	}
	a.addEnqueueFlags(cmd, &f)
	cmd.Flags().StringVar(&f.refundID, "refund-id", "", "your own id of a bare refund request (with --provider)")
	completeFlag(cmd, "refund-id")
	return cmd
}

func (a *app) addEnqueueFlags(cmd *cobra.Command, f *enqueueFlags) {
	cmd.Flags().StringVar(&f.provider, "provider", "", "the documents are bare requests to this `ACCOUNT`, or PROVIDER where it has one account")
	cmd.Flags().StringVar(&f.lane, "lane", string(tasks.Checkout), "checkout (somebody is waiting) or bulk (nobody is)")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait until everything is final; exit code 1 unless all of it is issued or refunded")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "longest wait, such as 30s or 10m (with --wait; default: no limit)")
	a.completeAccountFlag(cmd, "provider")
	completeFlag(cmd, "lane", laneNames()...)
}

// reading checks the flags.
func (f enqueueFlags) reading(refunds bool) (reading, tasks.Lane, error) {
	r := reading{refunds: refunds, refundID: f.refundID}
	lane, err := tasks.ParseLane(f.lane)
	if err != nil {
		return r, "", usagef("--lane: %w", err)
	}
	if f.provider != "" {
		if r.account, err = parseAccount(f.provider); err != nil {
			return r, "", usagef("--provider: %w", errors.Unwrap(err))
		}
	}
	switch {
	case f.refundID != "" && f.provider == "":
		return r, "", usagef("--refund-id is for bare requests and needs --provider; otherwise write refund_id into the document")
	case refunds && f.provider != "" && f.refundID == "":
		return r, "", usagef("--provider needs --refund-id: your own id of this refund, under which repeating it refunds once")
	case f.timeout < 0:
		return r, "", usagef("--timeout must not be negative")
	case f.timeout > 0 && !f.wait:
		return r, "", usagef("--timeout needs --wait")
	}
	return r, lane, nil
}

// enqueue checks all documents, then enqueues them. The rules depend on where they go (a sandbox
// has a merchant of its own), so it connects first; but a wrong document is reported even when Redis
// does not answer.
func (a *app) enqueue(ctx context.Context, f enqueueFlags, refunds bool, file string) error {
	r, lane, err := f.reading(refunds)
	if err != nil {
		return err
	}
	docs, wrong, err := a.readDocuments(ctx, file, r)
	if err != nil {
		return err
	}
	s, connectErr := a.connect(ctx)
	env := a.env
	if connectErr == nil {
		defer s.close()
		env = s.env
	}
	moment := a.now() // one for all documents
	checked, err := rules(env, func() time.Time { return moment })
	if err != nil {
		return err
	}
	jobs, invalid := r.check(docs, checked)
	wrong = append(wrong, invalid...)
	if connectErr == nil && !refunds {
		invalid, err := a.precheckJobs(ctx, s, f.precheck, r, jobs)
		if err != nil && len(wrong) == 0 {
			return err
		}
		wrong = append(wrong, invalid...)
	}
	if len(wrong) > 0 {
		return a.reject(wrong)
	}
	if connectErr != nil {
		return connectErr
	}
	client, err := s.tasks(checked)
	if err != nil {
		return err
	}
	a.warnUnannounced(ctx, s)
	return a.deliver(ctx, s, client, lane, jobs, f)
}

// warnUnannounced warns that what is enqueued may be for nobody: without a worker's announcement neither the account
// nor the seal keys can be checked.
func (a *app) warnUnannounced(ctx context.Context, s *session) {
	if list, err := budget.Announced(ctx, s.rdb); err == nil && len(list) == 0 {
		a.report("no worker has announced itself yet, so neither the account nor the seal keys can be checked")
	}
	cfg, err := config.LoadParts(s.env, config.Keys)
	if err != nil {
		return
	}
	ring, err := seal.ParseRing(cfg.Seal.Keys.Reveal())
	if err != nil {
		return
	}
	if lag, known, err := announce.SealKeyLags(ctx, s.rdb, ring.IDs()[0]); err == nil && known && lag > keyMissed {
		a.report("no worker has announced the first key of ISSUANCE_SEAL_KEYS for %s, while others are announced: orders wait until a worker holds it", lag.Round(time.Second))
	}
}

// keyMissed is by how much a key may lag behind the others that workers announce.
const keyMissed = 3 * announce.Every

// deliver enqueues checked documents, and waits for their end where that is wanted.
func (a *app) deliver(ctx context.Context, s *session, client *tasks.Client, lane tasks.Lane, jobs []job, f enqueueFlags) error {
	receipts, failed := a.enqueueAll(ctx, s, client, lane, jobs, !f.wait || !a.json)
	if errors.Is(failed, errOutput) {
		return failed
	}
	if f.wait && len(receipts) > 0 && ctx.Err() == nil {
		if err := a.wait(ctx, s, client, receipts, lane, f.timeout); err != nil && failed == nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	return ctx.Err()
}
