package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"issuance/internal/cli/table"
)

// report is what a benchmark found.
type report struct {
	Name    string   `json:"name"`
	Machine machine  `json:"machine"`
	Rows    any      `json:"rows"`
	Targets []target `json:"targets"`
	Seconds float64  `json:"seconds"` // how long the benchmark took

	table *table.Table
	notes []string // printed under the table
}

// target is what a number should be.
type target struct {
	What string  `json:"what"`
	Got  float64 `json:"got"`
	Most float64 `json:"most,omitempty"`
	// Least is for targets that are to be reached instead of kept.
	Least float64 `json:"least,omitempty"`
	Met   bool    `json:"met"`
}

func atMost(what string, got, most float64) target {
	return target{What: what, Got: got, Most: most, Met: got <= most}
}

// machine is what a result depends on.
type machine struct {
	CPUs  int    `json:"cpus"`
	Model string `json:"model,omitempty"`
	OS    string `json:"os"`
	Go    string `json:"go"`
	Redis string `json:"redis"`
}

func thisMachine(redis string) machine {
	return machine{CPUs: runtime.NumCPU(), Model: cpuModel(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Redis: redis}
}

// cpuModel is the processor's name where Linux reports it.
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (r *report) met() bool {
	for _, t := range r.Targets {
		if !t.Met {
			return false
		}
	}
	return true
}

func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	if _, err := r.table.WriteTo(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	goals := &table.Table{Right: []int{1, 2}}
	goals.Row("target", "got", "", "")
	for _, t := range r.Targets {
		want, verdict := fmt.Sprintf("at most %.4g", t.Most), "met"
		if t.Least > 0 {
			want = fmt.Sprintf("at least %.4g", t.Least)
		}
		if !t.Met {
			verdict = "MISSED"
		}
		goals.Row(t.What, fmt.Sprintf("%.3f", t.Got), want, verdict)
	}
	if _, err := goals.WriteTo(w); err != nil {
		return err
	}
	for _, n := range r.notes {
		fmt.Fprintln(w, n)
	}
	m := r.Machine
	_, err := fmt.Fprintf(w, "\n%d CPUs (%s), %s, %s, %s; took %.0f s\n", m.CPUs, m.Model, m.OS, m.Go, m.Redis, r.Seconds)
	return err
}

// seconds is a duration as JSON has it.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond)) / float64(time.Second)
}

// short prints seconds for people.
func short(s float64) string {
	switch {
	case s >= 600:
		return fmt.Sprintf("%.1f min", s/60)
	case s >= 100:
		return fmt.Sprintf("%.0f s", s)
	default:
		return fmt.Sprintf("%.1f s", s)
	}
}
