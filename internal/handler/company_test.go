package handler

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever has to be alone waits for those under way, and nobody begins meanwhile.
func TestWhoeverIsAloneIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCompany()
		ctx := t.Context()
		first, _ := c.Join(ctx, false)
		second, _ := c.Join(ctx, false) // beside the first
		var alone, third bool
		end := make(chan struct{})
		go func() {
			leave, ok := c.Join(ctx, true)
			alone = ok
			<-end
			alone = false
			leave()
		}()
		synctest.Wait()
		go func() {
			leave, ok := c.Join(ctx, false)
			third = ok
			leave()
		}()
		synctest.Wait()
		first()
		synctest.Wait()
		if alone || third {
			t.Fatal("alone beside another one, or overtaken")
		}
		second()
		synctest.Wait()
		if !alone || third {
			t.Fatalf("alone %t, beside it %t", alone, third)
		}
		close(end)
		synctest.Wait()
		if !third {
			t.Error("nobody may begin any more")
		}
	})
}

// A long call does not keep everybody from beginning for the sake of one who wants to be alone.
func TestWhoeverCannotBeAloneGivesUpAndLetsTheOthersBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCompany()
		long, _ := c.Join(t.Context(), false)
		defer long()
		within, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		go func() {
			leave, ok := c.Join(t.Context(), false)
			if !ok || time.Since(began) > 5*time.Second {
				t.Errorf("began after %s: %t", time.Since(began), ok)
				return
			}
			leave()
		}()
		if _, ok := c.Join(within, true); ok {
			t.Error("alone beside another one")
		}
		synctest.Wait()
	})
}
