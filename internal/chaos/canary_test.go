package chaos

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"issuance/providers/ecticket/wire"
	"issuance/tasks"
)

func TestTheSearchFindsEverySpelling(t *testing.T) {
	const name = "Kanarius Aaabxyzq"
	s, err := NewSearch([]Canary{{"CustomerName", "A1", name}})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := wire.Marshal(map[string]string{"CustomerName": name})
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string]string{
		"plain":               "for " + name + ", thanks",
		"in a query":          "https://host/?name=" + url.QueryEscape(name),
		"in a path":           "https://host/" + url.PathEscape(name),
		"as ECTicket gets it": string(sent),
		"in hexadecimal":      hex.EncodeToString([]byte("x" + name)),
		"in base64, first":    base64.StdEncoding.EncodeToString([]byte("abc" + name + "d")),
		"in base64, second":   base64.URLEncoding.EncodeToString([]byte("a" + name + "dd")),
		"in base64, third":    base64.RawStdEncoding.EncodeToString([]byte("ab" + name)),
	} {
		if found := s.In("the log", text); len(found) != 1 || !strings.HasPrefix(found[0], "CustomerName of A1 stands") {
			t.Errorf("%s: %q", form, found)
		}
	}
	if found := s.In("the log", "Kanarius Aaabxyzz"); len(found) != 0 {
		t.Errorf("another name was found: %q", found)
	}
}

func TestTheSearchTakesNoPartOfANumberForANumber(t *testing.T) {
	s, err := NewSearch([]Canary{{"CustomerPhone", "A1", "0912345678"}, {"passcode", "A2", "1234567"}})
	if err != nil {
		t.Fatal(err)
	}
	for text, n := range map[string]int{
		`"phone":"0912345678"`: 1, "10912345678": 0, "09123456789": 0,
		`"code":1234567}`: 1, "x1234567": 0, "12345678": 0, "": 0, "1234567": 1,
	} {
		if found := s.In("the log", text); len(found) != n {
			t.Errorf("%s: %q", text, found)
		}
	}
	if _, err := NewSearch([]Canary{{"passcode", "A3", "123"}}); err == nil {
		t.Error("a value that is found by chance is searched for")
	}
}

// A load is made of valid documents, of every kind; the same seed makes the same; and no two
// customers share anything.
func TestALoadIsValidAndRepeatable(t *testing.T) {
	mix := Mix{Orders: 600, Refunds: 200}
	a, b, c := NewLoad(1, mix), NewLoad(1, mix), NewLoad(2, mix)
	kinds, fates, people := map[string]int{}, map[Fate]int{}, map[string]string{}
	other := 0
	for i, o := range a.Orders {
		if string(o.Doc) != string(b.Orders[i].Doc) {
			t.Fatalf("order %d is another one the second time", i)
		}
		if string(o.Doc) != string(c.Orders[i].Doc) {
			other++
		}
		for _, doc := range [][]byte{o.Doc, o.Forged} {
			parsed, err := tasks.ParseOrder(doc, tasks.Rules{MerchantID: merchantID})
			if doc != nil && (err != nil || parsed.Ref() != o.Ref()) {
				t.Errorf("%s (%s): %v", o.ID, o.Kind, err)
			}
		}
		kinds[o.Kind]++
		fates[o.Fate]++
		for field, value := range o.Personal {
			if who := people[value]; who != "" {
				t.Errorf("%s has the %s of %s", o.ID, field, who)
			}
			people[value] = o.ID
		}
	}
	for i, f := range a.Refunds {
		if f.Wish == ByNumbers && len(f.Numbers) == 0 {
			f.Numbers = []string{"AB20260101001"}
		}
		r, err := tasks.ParseRefund(f.document(), tasks.Rules{MerchantID: merchantID})
		if err != nil || r.Ref() != f.Ref() {
			t.Errorf("refund %d (%s): %v", i, f.Kind(), err)
		}
	}
	if len(kinds) != 7 || len(fates) != 6 || other < 500 {
		t.Errorf("kinds %v, fates %v, %d of 600 orders differ by seed", kinds, fates, other)
	}
}

// What happens to a call depends on the seed and on the call, not on when it is made.
func TestTheWeatherIsRepeatable(t *testing.T) {
	calls := func(seed uint64, order []int) map[int]Fault {
		w := newWeather(seed, DefaultOdds(), 0)
		out := map[int]Fault{}
		for _, i := range order {
			out[i] = w.judge(Call{Provider: "ecticket", Op: "QueryIssueResult", OrderID: "A" + string(rune('0'+i)), N: 1})
		}
		return out
	}
	var up, down []int
	for i := range 70 {
		up, down = append(up, i), append([]int{i}, down...)
	}
	first, second := calls(1, up), calls(1, down)
	a, _ := json.Marshal(first)
	b, _ := json.Marshal(second)
	c, _ := json.Marshal(calls(2, up))
	if string(a) != string(b) || string(a) == string(c) {
		t.Errorf("same seed: %s and %s; another: %s", a, b, c)
	}
	hit := 0
	for _, f := range first {
		if f != NoFault {
			hit++
		}
	}
	if hit < 10 || hit > 35 {
		t.Errorf("%d of 70 calls are misbehaved at, expected are about 21", hit)
	}
}
