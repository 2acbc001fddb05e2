package bulk

import (
	"slices"
	"strings"
	"time"

	"issuance/providers"
)

// Template is a CSV file to start from: a header and an example.
type Template struct {
	providers.Template
	escrow [][2]string // further columns under escrow
}

// Templates lists those of every provider.
func Templates() []Template {
	var all []Template
	for _, codec := range providers.Codecs() {
		for _, t := range codec.Templates {
			all = append(all, Template{t, codec.EscrowColumns})
		}
	}
	return all
}

// CSV is the template as a file. Dates are such that the example is valid on the day of now.
func (t Template) CSV(now time.Time, escrow bool) string {
	columns := t.Columns
	if escrow {
		columns = slices.Concat(columns, t.escrow)
	}
	day := now.In(providers.Taiwan)
	var titles, example []string
	for _, c := range columns {
		titles = append(titles, c[0])
		switch c[1] {
		case providers.Soon:
			example = append(example, day.AddDate(0, 2, 0).Format("20060102"))
		case providers.Later:
			example = append(example, day.AddDate(1, 0, 0).Format("20060102"))
		default:
			example = append(example, c[1])
		}
	}
	return strings.Join(titles, ",") + "\n" + strings.Join(example, ",") + "\n"
}
