package console

import (
	"errors"
	"os"
	"testing"
	"time"

	"issuance/internal/testredis"
)

// An upload takes the place of the same person's oldest file that waits, and of no other: not of one that was started, nor of
// anybody else's.
func TestAnUploadTakesThePlaceOfOnesOwnWaitingFileAlone(t *testing.T) {
	c := &Console{Config: Config{RDB: testredis.Mini(t).Client(), Now: time.Now}}
	s := newFiles(c)
	begin := time.Now()
	all := map[string]*held{}
	for i, f := range []struct{ id, mark, state string }{{"RUNNING", "angela", fileRunning}, {"CHECKING", "angela", fileChecking}, {"OTHERS", "bob", fileChecked}, {"MINE", "angela", fileChecked}} {
		raw, err := os.Create(t.TempDir() + "/" + f.id)
		if err != nil {
			t.Fatal(err)
		}
		h := &held{file: &file{ID: f.id, Mark: f.mark, State: f.state, Created: begin.Add(time.Duration(i) * time.Second)}, raw: raw}
		if err := s.make(t.Context(), h.file); err != nil {
			t.Fatal(err)
		}
		s.slots <- struct{}{}
		s.enter(h)
		all[f.id] = h
		if f.state != fileChecking {
			s.waiting(h, true) // RUNNING has just been started
		}
	}
	stop := step{from: fileChecked, to: fileStopping, did: didStop, hand: hand{By: "angela", At: begin}}
	go func() { // as the one that carries it does, once it is told
		<-all["MINE"].kick
		s.leave(all["MINE"])
	}()
	instead, err := s.place(t.Context(), "angela", stop)
	if err != nil || instead != all["MINE"] || len(s.slots) != mostHeld {
		t.Fatalf("%+v, %v, %d places are taken", instead, err, len(s.slots))
	}
	if instead, err := s.place(t.Context(), "angela", stop); !errors.Is(err, errNoPlace) || instead != nil {
		t.Errorf("a second one: %+v, %v", instead, err)
	}
	for id, state := range map[string]string{"RUNNING": fileRunning, "CHECKING": fileChecking, "OTHERS": fileChecked, "MINE": fileStopping} {
		if f, err := s.load(t.Context(), id); err != nil || f.State != state || s.replaced(all[id]) != (id == "MINE") {
			t.Errorf("%s is %+v, %v", id, f, err)
		}
	}
	for _, id := range []string{"RUNNING", "CHECKING", "OTHERS"} {
		s.leave(all[id])
	}
	if len(s.slots) != 1 { // that of the upload
		t.Errorf("%d places are taken", len(s.slots))
	}
}

// A file that ends by itself while an upload is about to take its place leaves it to the upload, and no place is lost.
func TestAPlaceThatGetsFreeMeanwhileIsTheUploads(t *testing.T) {
	s := newFiles(&Console{Config: Config{RDB: testredis.Mini(t).Client(), Now: time.Now}})
	raw, err := os.Create(t.TempDir() + "/x")
	if err != nil {
		t.Fatal(err)
	}
	h := &held{file: &file{ID: "MINE", Mark: "angela"}, raw: raw}
	s.slots <- struct{}{}
	s.enter(h)
	s.waiting(h, true)
	if s.inherit("angela") != h || s.inherit("angela") != nil {
		t.Fatal("it has no heir, or two")
	}
	s.leave(h)
	if !s.disinherit(h, true) || len(s.slots) != 1 {
		t.Errorf("the place is lost: %d are taken", len(s.slots))
	}
}
