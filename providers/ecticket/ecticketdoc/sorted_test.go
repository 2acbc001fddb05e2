package ecticketdoc_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"issuance/providers/ecticket/ecticketdoc"
)

// Every field of a document is in its canonical form, sorted by name: one that were forgotten
// there could differ without anybody noticing. The shape holds what shapeOf lists.
func TestTheCanonicalFormHoldsEveryFieldSorted(t *testing.T) {
	var full ecticketdoc.Order
	fill(reflect.ValueOf(&full).Elem())
	orders := []*ecticketdoc.Order{&full, {TicketInfo: []ecticketdoc.Item{{}}}}
	for _, text := range examples {
		orders = append(orders, mustParse(t, json.RawMessage(text)))
	}
	for _, o := range orders {
		fields := fieldsOf(t, encode(t, o))
		delete(fields, "MerchantID")
		if want := encode(t, fields); !bytes.Equal(o.Canonical(), want) {
			t.Errorf("canonical form\n%s\nwant\n%s", o.Canonical(), want)
		}
		if want := encode(t, shapeOf(o)); !bytes.Equal(o.Shape(), want) {
			t.Errorf("shape\n%s\nwant\n%s", o.Shape(), want)
		}
	}
}

// shapeOf is what a shape holds.
func shapeOf(o *ecticketdoc.Order) map[string]any {
	m := map[string]any{"tickets": o.TicketCount()}
	put(m, "IssueType", o.IssueType)
	put(m, "PrintType", o.PrintType)
	put(m, "IsImmediate", o.IsImmediate)
	put(m, "StoreID", o.StoreID)
	put(m, "PaymentProvider", o.PaymentProvider)
	items := make([]map[string]any, len(o.TicketInfo))
	for i, it := range o.TicketInfo {
		items[i] = map[string]any{"TicketAmount": it.TicketAmount}
		put(items[i], "ItemNo", it.ItemNo)
		put(items[i], "ItemName", it.ItemName)
		put(items[i], "StartDate", it.StartDate)
		put(items[i], "ExpireDate", it.ExpireDate)
		if it.TicketPrice != nil {
			items[i]["TicketPrice"] = *it.TicketPrice
		}
	}
	m["TicketInfo"] = items
	return m
}

func put(m map[string]any, name, value string) {
	if value != "" {
		m[name] = value
	}
}

// fill gives every field a value; names with < and 券 show that both forms escape alike.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("<券>")
	case reflect.Int:
		v.SetInt(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func fieldsOf(t *testing.T, raw []byte) (fields map[string]any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	return fields
}
