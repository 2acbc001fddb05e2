package metrics

import (
	"cmp"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry holds some collectors, what Go and the system know of the process, and the build of the program.
func Registry(program string, all ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build(program))
	r.MustRegister(all...)
	return r
}

// Handler serves a registry, and logs what cannot be gathered unless log is nil. Exemplars are shown to whoever asks for OpenMetrics.
func Handler(r *prometheus.Registry, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), EnableOpenMetrics: true,
		ErrorHandling: promhttp.ContinueOnError})
}

// Version is the version of this program, with the revision where the version does not say it.
func Version() string {
	version, revision, _ := built()
	if revision == "" || strings.Contains(version, revision) {
		return version
	}
	return version + " " + revision
}

// built is what the Go tool has written into the program.
func built() (version, revision, goVersion string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "", ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value[:min(12, len(s.Value))]
		}
	}
	return cmp.Or(info.Main.Version, "unknown"), revision, info.GoVersion
}

// build is what the program was built from.
func build(program string) prometheus.Collector {
	version, revision, goVersion := built()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "issuance_build_info", Help: "1, with what was built.",
		ConstLabels: prometheus.Labels{"program": program, "version": version, "revision": revision, "go": goVersion}})
	g.Set(1)
	return g
}
