package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/tasks"
	"issuance/tasks/order"
)

const conflict = http.StatusConflict

// asked is what a form about a record says.
type asked struct {
	ref    order.Ref
	reason string
}

func (v *visit) asked() (asked, error) {
	r, err := v.record()
	if err != nil {
		return asked{}, err
	}
	reason, err := v.reason()
	return asked{r, reason}, err
}

// cancel ends an order or a refund of which nothing was sent.
func (v *visit) cancel() error {
	a, err := v.asked()
	if err != nil {
		return err
	}
	err = v.Client.Cancel(v.as(), a.ref, v.who.Name, a.reason)
	refused := (*tasks.NotCancellableError)(nil)
	switch {
	case errors.Is(err, tasks.ErrUnknownOrder):
		return notFound
	case errors.As(err, &refused) && refused.State.Final():
		rec, err := v.Ledger.Load(v.r.Context(), a.ref)
		if err != nil {
			return err
		}
		if err := v.faster(deciderOf(rec)); err != nil {
			return err
		}
		return fail(conflict, "fail.ended", v.lang.or("state.", string(refused.State)))
	case errors.As(err, &refused):
		return fail(conflict, "fail.sent", v.lang.or("state.", string(refused.State)))
	case err != nil:
		return err
	}
	first, err := v.another(v.r.Context(), a.ref, v.who.Name, a.reason)
	if err != nil {
		return err
	}
	if err := v.faster(first); err != nil {
		return err
	}
	return v.redirect(orderPath(a.ref), "cancelled")
}

// unchanged refuses a decision about a review that is not the one the visitor has seen: somebody else decided, or had it
// worked on again.
func (v *visit) unchanged(r order.Ref) error {
	rec, err := v.Ledger.Load(v.r.Context(), r)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return notFound
	case err != nil:
		return err
	case rec.State != order.Review:
		return v.was(r, rec.State)
	case v.r.PostForm.Get("seen") != strconv.FormatInt(rec.FinalAt.UnixMilli(), 10):
		return fail(conflict, "fail.review_new")
	}
	return nil
}

// resolve ends a review as the visitor decides.
func (v *visit) resolve() error {
	a, err := v.asked()
	if err != nil {
		return err
	}
	as := order.State(v.r.PostForm.Get("as"))
	if !slices.Contains(operate.Ends(a.ref), as) {
		return fail(http.StatusUnprocessableEntity, "fail.as")
	}
	if err := v.unchanged(a.ref); err != nil {
		return err
	}
	done, err := v.desk.Resolve(v.as(), a.ref, ledger.Resolution{State: as, Who: v.who.Name, Reason: a.reason})
	return v.decided(a.ref, done, err, "resolved")
}

// retry has a record in review worked on again.
func (v *visit) retry() error {
	a, err := v.asked()
	if err != nil {
		return err
	}
	if err := v.unchanged(a.ref); err != nil {
		return err
	}
	done, err := v.desk.Retry(v.as(), a.ref, v.who.Name, a.reason)
	return v.decided(a.ref, done, err, "retried")
}

// decided answers a decision.
func (v *visit) decided(r order.Ref, done operate.Result, err error, word string) error {
	switch {
	case err != nil:
		return err
	case !done.Applied:
		return v.was(r, done.State)
	}
	if err := errors.Join(done.Unpublished, done.Unwoken, done.Unlisted); err != nil {
		v.Log.Warn("a decision has taken effect, and workers make good for the rest", "order", r.String(), "error", err)
	}
	return v.redirect(orderPath(r), word)
}
