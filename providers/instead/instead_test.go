package instead

import (
	"slices"
	"testing"
	"time"
)

var now = time.Unix(1_700_000_000, 0)

func TestTheOtherCallIsTriedEverMoreRarely(t *testing.T) {
	var c Call
	var tries []int
	for n := 1; n <= 300; n++ {
		if c.Useless() {
			tries = append(tries, n)
		}
	}
	if want := []int{2, 4, 8, 16, 32, 64, 128, 192, 256}; !slices.Equal(tries, want) {
		t.Errorf("tried at %v, want %v", tries, want)
	}
}

func TestACallThatWorksAgainIsMade(t *testing.T) {
	var c Call
	c.Useless()
	c.Useful()
	if c.Useless() {
		t.Error("one answer is enough")
	}
	c.Useless()
	c.Proven(now)
	if c.Useful(); c.Active(now) {
		t.Error("the other call is made although this one works")
	}
}

func TestTheOtherCallIsMadeAloneForAWhile(t *testing.T) {
	var c Call
	c.Useless()
	c.Useless()
	c.Proven(now)
	if !c.Active(now.Add(kept-1)) || c.Active(now.Add(kept)) {
		t.Error("it is not made alone for as long as it is known")
	}
	if !c.Useless() { // afterwards one answer is enough
		t.Error("the other call is not tried at once")
	}
	c.Proven(now)
	if c.Over(); c.Active(now) {
		t.Error("it is made alone although it is not answered")
	}
}
