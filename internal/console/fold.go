package console

// How much of a long list of an order's page is unfolded: what came last.
const (
	unfoldedMoments    = 15
	unfoldedDeliveries = 8
	worthFolding       = 5 // fewer than these more are shown, too
)

// folded is a list of which the older part is folded away.
type folded[T any] struct{ Older, Latest []T }

func fold[T any](list []T, latest int) folded[T] {
	cut := len(list) - latest
	if cut < worthFolding {
		cut = 0
	}
	return folded[T]{list[:cut], list[cut:]}
}

// undelivered is how many of some deliveries have not reached their endpoint.
func undelivered(list []delivery) (n int) {
	for _, d := range list {
		if d.Outcome != "delivered" {
			n++
		}
	}
	return n
}

// OlderDeliveries says what is folded away of the deliveries, those that failed among them.
func (v *view) OlderDeliveries(list []delivery) string {
	if n := undelivered(list); n > 0 {
		return v.T("fold.failed", v.Number(len(list)), v.Number(n))
	}
	return v.T("fold.older", v.Number(len(list)))
}
