package doccheck

// OtherMerchant is the rule that an account breaks which is not the one that its request names. Either may be a known one.
const OtherMerchant = "must be the merchant that the request names, or be left out"

// Member is the text of a well-formed JSON object's first member of a name, a string or a number; "" where there is none.
func Member(raw []byte, name string) string {
	s := scan{text: raw}
	if s.space(); s.pos == len(raw) || raw[s.pos] != '{' {
		return ""
	}
	for s.next() {
		_, same := s.name([]string{name})
		value := s.value()
		if !same {
			continue
		}
		switch value[0] {
		case '"':
			return decoded(value)
		case '{', '[', 'n', 't', 'f':
			return ""
		}
		return string(value)
	}
	return ""
}

// WithoutMember is a well-formed JSON object without its members of a name, at the top level alone.
// Every other byte stays, so that numbers keep their form. dropped says that there was one.
func WithoutMember(raw []byte, name string) (rest []byte, dropped bool) {
	s := scan{text: raw}
	if s.space(); s.pos == len(raw) || raw[s.pos] != '{' {
		return raw, false
	}
	start := s.pos + 1
	out := append(make([]byte, 0, len(raw)), raw[:start]...)
	end, first, kept := start, []byte(nil), 0 // first is what precedes the first member
	for n := 0; s.next(); n++ {
		from := s.pos
		if n == 0 {
			first = raw[start:from]
		}
		_, same := s.name([]string{name})
		s.value()
		switch {
		case same:
			dropped = true
		case kept == 0:
			out = append(append(out, first...), raw[from:s.pos]...)
			kept++
		default:
			out = append(out, raw[end:s.pos]...)
		}
		end = s.pos
	}
	if !dropped {
		return raw, false
	}
	return append(out, raw[end:]...), true
}
