package metrics

import (
	"log/slog"
	"net/http"
	"runtime/debug"

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

// Handler serves a registry. Exemplars are shown to whoever asks for OpenMetrics.
func Handler(r *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), EnableOpenMetrics: true,
		ErrorHandling: promhttp.ContinueOnError})
}

// build is what the Go tool has written into the program.
func build(program string) prometheus.Collector {
	version, revision, goVersion := "unknown", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version, goVersion = info.Main.Version, info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "issuance_build_info", Help: "1, with what was built.",
		ConstLabels: prometheus.Labels{"program": program, "version": version, "revision": revision, "go": goVersion}})
	g.Set(1)
	return g
}
