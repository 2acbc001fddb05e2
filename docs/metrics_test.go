package docs

import (
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"issuance/internal/frontdoor"
	"issuance/internal/metrics"
	"issuance/internal/webhooks"
)

var (
	descName   = regexp.MustCompile(`fqName: "([a-z_]+)"`)
	descLabels = regexp.MustCompile(`variableLabels: \{([^}]*)\}`)
	metricRow  = regexp.MustCompile("(?m)^\\| `(issuance_[a-z_]+)` \\| (\\w+) \\|([^|]*)\\|")
	metricUse  = regexp.MustCompile(`\bissuance_[a-z_]+`)
	ofHistory  = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// exposed are the metrics that the programs describe, each with its variable labels.
func exposed() map[string][]string {
	out := map[string][]string{}
	for _, c := range slices.Concat(metrics.Described(), frontdoor.Metrics(), webhooks.Metrics()) {
		descs := make(chan *prometheus.Desc, 100)
		c.Describe(descs)
		close(descs)
		for d := range descs {
			labels := strings.FieldsFunc(descLabels.FindStringSubmatch(d.String())[1], func(r rune) bool { return r == ',' || r == ' ' })
			out[descName.FindStringSubmatch(d.String())[1]] = labels
		}
	}
	return out
}

// Every metric that a program exposes is documented with its labels, and every documented one is exposed.
func TestTheMetricsAreListed(t *testing.T) {
	there := exposed()
	if len(there) < 35 {
		t.Fatalf("only %d metrics were found", len(there))
	}
	var listed []string
	for _, m := range metricRow.FindAllStringSubmatch(read(t, "metrics.md"), -1) {
		listed = append(listed, m[1])
		if total := strings.HasSuffix(m[1], "_total"); total != (m[2] == "counter") {
			t.Errorf("%s is a %s", m[1], m[2])
		}
		if m[1] == "issuance_build_info" {
			continue // its labels are constant
		}
		var labels []string
		for _, l := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, l[1])
		}
		if !slices.Equal(labels, there[m[1]]) {
			t.Errorf("%s has the labels %v, and %v are listed", m[1], there[m[1]], labels)
		}
	}
	same(t, "metrics.md", listed, slices.Collect(maps.Keys(there)))
}

// metricsExist fails where a text names a metric that no program exposes.
func metricsExist(t *testing.T, where, text string) (n int) {
	t.Helper()
	there := exposed()
	for _, name := range metricUse.FindAllString(text, -1) {
		n++
		if _, ok := there[ofHistory.ReplaceAllString(name, "")]; !ok && there[name] == nil {
			t.Errorf("%s names %s, which no program exposes", where, name)
		}
	}
	return n
}

type alertRule struct {
	Alert, Record, Expr, For string
	Labels, Annotations      map[string]string
}

func alertRules(t *testing.T) (rules []alertRule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alertRule } }
	if err := yaml.Unmarshal([]byte(read(t, "../deploy/alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules
}

// alertTests counts how often the tests of the rules expect an alert to fire, and not to.
func alertTests(t *testing.T) map[string]struct{ fires, silent int } {
	t.Helper()
	var file struct {
		Tests []struct {
			Checks []struct {
				Expr    string
				Samples []struct{ Labels string } `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../deploy/testdata/alerts_test.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	out := map[string]struct{ fires, silent int }{}
	for _, test := range file.Tests {
		for _, c := range test.Checks {
			_, rest, _ := strings.Cut(c.Expr, `alertname="`)
			name, _, _ := strings.Cut(rest, `"`)
			n := out[name]
			if len(c.Samples) > 0 {
				n.fires++
			} else {
				n.silent++
			}
			out[name] = n
		}
	}
	return out
}

// Every alert waits before it fires, has a severity, says in words what is wrong, and leads to a heading of a document; it is
// documented with its severity, and there are tests of it that expect it and that do not.
func TestTheAlerts(t *testing.T) {
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(Issuance\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, "metrics.md"), -1) {
		documented[m[1]] = m[2]
	}
	tested, all := alertTests(t), documents(t)
	var names []string
	for _, r := range alertRules(t) {
		if metricsExist(t, r.Alert+r.Record, r.Expr) == 0 && !strings.Contains(r.Expr, "issuance:") {
			t.Errorf("%s%s names no metric", r.Alert, r.Record)
		}
		if r.Record != "" {
			continue
		}
		names = append(names, r.Alert)
		if r.For == "" || r.Annotations["summary"] == "" || r.Labels["severity"] == "" || documented[r.Alert] != r.Labels["severity"] {
			t.Errorf("%s: %+v, documented as %q", r.Alert, r, documented[r.Alert])
		}
		file, anchor, _ := strings.Cut(r.Annotations["runbook"], "#")
		if anchor == "" || !anchors(all[path.Clean(file)])[anchor] {
			t.Errorf("%s leads to %q, and there is no such heading", r.Alert, r.Annotations["runbook"])
		}
		if n := tested[r.Alert]; n.fires == 0 || n.silent == 0 {
			t.Errorf("%s: the tests of the rules expect it %d times, and %d times not", r.Alert, n.fires, n.silent)
		}
	}
	same(t, "alerts in metrics.md", slices.Collect(maps.Keys(documented)), names)
}

// The dashboard is well-formed: panels have ids and places of their own, and every metric that they name exists.
func TestTheDashboard(t *testing.T) {
	text := read(t, "../deploy/grafana/issuance.json")
	var board struct {
		Title, UID string
		Panels     []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	ids, places := map[int]bool{}, map[[2]int]bool{}
	for _, p := range board.Panels {
		place := [2]int{p.GridPos.X, p.GridPos.Y}
		if p.ID == 0 || ids[p.ID] || p.Title == "" || places[place] || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H == 0 {
			t.Errorf("panel %d %q is not well-formed", p.ID, p.Title)
		}
		ids[p.ID], places[place] = true, true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if metricsExist(t, p.Title, target.Expr) == 0 {
				t.Errorf("panel %q names no metric in %q", p.Title, target.Expr)
			}
		}
	}
	if board.UID != "issuance" || len(ids) < 15 {
		t.Errorf("%q has %d panels", board.UID, len(ids))
	}
	metricsExist(t, "the dashboard", text)
}
