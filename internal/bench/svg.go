package main

import (
	"bytes"
	"fmt"
	"html"
	"slices"
)

// Geometry of the plot, in pixels.
const (
	plotLeft   = 190 // of the first panel
	panelWidth = 190
	panelGap   = 60 // room for the numbers at the bars' ends
	barHeight  = 11
	groupGap   = 14
	plotTop    = 78
)

// colours of the strategies, in the order of the rows of one scenario; distinguishable for people who do
// not see red or green.
var colours = []string{"#9aa0a6", "#0072b2", "#e69f00", "#cc79a7"}

// panel is one column of bars.
type panel struct {
	title string
	value func(pollingRow) (bar, whisker float64, label string) // an empty label draws nothing
}

var panels = []panel{
	{"calls per order", func(r pollingRow) (float64, float64, string) {
		return r.CallsPerOrder, 0, fmt.Sprintf("%.2f", r.CallsPerOrder)
	}},
	{"lag: mean (bar), p99 (line)", func(r pollingRow) (float64, float64, string) {
		return r.LagMean, r.LagP99, short(r.LagMean)
	}},
	{"makespan, limit = 1", func(r pollingRow) (float64, float64, string) {
		if r.alone || r.Unfinished > 0 {
			return 0, 0, ""
		}
		return r.MakespanRatio, 0, fmt.Sprintf("%.2f", r.MakespanRatio)
	}},
}

// plot draws calls, lag and makespan of every strategy in every scenario as SVG.
func plot(rows []pollingRow) []byte {
	var names []string
	for _, r := range rows {
		if !slices.Contains(names, r.Strategy) {
			names = append(names, r.Strategy)
		}
	}
	groups := len(rows) / len(names)
	groupHeight := len(names)*barHeight + groupGap
	width := plotLeft + len(panels)*(panelWidth+panelGap)
	height := plotTop + groups*groupHeight + 10

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", width, height, width, height)
	text := func(x, y int, attributes, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d"%s>%s</text>`+"\n", x, y, attributes, html.EscapeString(s))
	}
	box := func(x, y int, w float64, h int, colour string) {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, y, w, h, colour)
	}
	box(0, 0, float64(width), height, "#ffffff")
	text(10, 20, ` font-size="14" font-weight="bold"`, fmt.Sprintf("Polling: calls and lag by strategy (%d calls per second, virtual time)", pollingRate))
	for i, name := range names {
		x := 10 + i*150
		box(x, 34, 12, 12, colours[i%len(colours)])
		text(x+17, 44, "", name)
	}
	for i, r := range rows {
		if i%len(names) == 0 {
			y := plotTop + i/len(names)*groupHeight
			text(10, y+barHeight*2, "", r.Scenario)
			text(10, y+barHeight*2+14, ` fill="#5f6368"`, fmt.Sprintf("job every %.0f s", r.Job))
		}
	}
	for p, panel := range panels {
		x := plotLeft + p*(panelWidth+panelGap)
		text(x, plotTop-10, ` font-weight="bold"`, panel.title)
		var most float64
		for _, r := range rows {
			bar, whisker, _ := panel.value(r)
			most = max(most, bar, whisker)
		}
		for i, r := range rows {
			bar, whisker, label := panel.value(r)
			if label == "" {
				continue
			}
			y := plotTop + i/len(names)*groupHeight + i%len(names)*barHeight
			length, reach := bar/most*panelWidth, max(bar, whisker)/most*panelWidth
			box(x, y, length, barHeight-2, colours[i%len(names)%len(colours)])
			if whisker > bar {
				box(x+int(length), y+(barHeight-2)/2, reach-length, 1, "#202124")
			}
			text(x+int(reach)+4, y+barHeight-3, ` font-size="9"`, label)
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
