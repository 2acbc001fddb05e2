package notices

// scope is an object of a notice, or the whole of it, while it is read.
type scope struct {
	outer    *scope
	codes    []string // redemption codes in it
	numbered bool     // it has the number of an order or of a ticket, which is whose its codes are
}

// leave ends an object: its codes are the outer one's, unless it says itself whose they are.
func (n *Names) leave() {
	inner := n.in
	n.in = inner.outer
	switch {
	case inner.numbered:
	case len(n.in.codes) == 0:
		n.in.codes = inner.codes
	default:
		n.in.codes = append(n.in.codes, inner.codes...)
	}
}

// end takes the codes of which the notice does not say whose they are.
func (n *Names) end() {
	if !n.in.numbered {
		for _, code := range n.in.codes {
			n.list(&n.Codes, "code", code, true)
		}
	}
	n.in = nil
}
