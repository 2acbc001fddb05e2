package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"issuance/internal/doctor"
)

// Of hundreds of accounts, what is well is a line for each kind of thing, and what is not stands by itself; all of it on request.
func TestADoctorOfManyAccountsIsBrief(t *testing.T) {
	list := []doctor.Finding{{Area: doctor.Redis, Level: doctor.OK, Text: "takes writes"}}
	add := func(area string, l doctor.Level, about, text string) {
		list = append(list, doctor.Finding{Area: area, Level: l, About: about, Text: text, Do: "something"})
	}
	for n := range 324 {
		about := fmt.Sprint("ecticket:M", n)
		add(doctor.Accounts, doctor.OK, about, "ok")
		if n == 200 {
			add(doctor.Accounts, doctor.Note, about, "was not called")
			continue
		}
		add(doctor.Accounts, doctor.OK, about, "answers our call from here")
	}
	add(doctor.Accounts, doctor.Wrong, "pass2u:main", "refuses our call from here")
	list = append(list, doctor.Finding{Area: doctor.Workers, Level: doctor.OK, About: "w/1", Text: "v1, serves " + strings.Repeat("ecticket:M1, ", 324), Brief: "v1, serves 324 accounts"})
	var out bytes.Buffer
	a := &app{out: &out, err: &out}
	if err := a.printFindings(list, false); err == nil || err.Error() != "1 thing is wrong" {
		t.Error(err)
	}
	text := out.String()
	for _, want := range []string{"324 accounts: ok\n", "323 accounts: answers our call from here\n", "ecticket:M200: was not called\n", "pass2u:main: refuses", "w/1: v1, serves 324 accounts\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n > 12 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	out.Reset()
	if err := a.printFindings(list, true); err == nil || strings.Count(out.String(), "\n") < 2*324 || !strings.Contains(out.String(), "ecticket:M323: ok\n") {
		t.Errorf("%v: %d lines", err, strings.Count(out.String(), "\n"))
	}
}
