// A net/http server, linked statically.
//
//	GET /          the greeting ($GREETING, "Hello from Go" without one)
//	GET /runtime   Go's version, GOMAXPROCS and the number of goroutines, as JSON
//	GET /goroutines/N  what N goroutines make of channels, locks, timers and the collector together, as JSON
//	GET /allocate/N  allocates and drops N MiB in pieces, then answers how often the collector ran
//
// Listens on $PORT (8080 without one).
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
)

func main() {
	greeting := os.Getenv("GREETING")
	if greeting == "" {
		greeting = "Hello from Go"
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}

	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, greeting)
	})
	http.HandleFunc("/runtime", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{
			"version":    runtime.Version(),
			"maxprocs":   runtime.GOMAXPROCS(0),
			"goroutines": runtime.NumGoroutine(),
		})
	})
	http.HandleFunc("/allocate/", func(w http.ResponseWriter, r *http.Request) {
		mebibytes, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/allocate/"))
		if err != nil || mebibytes < 0 {
			http.Error(w, "want /allocate/N, N in MiB", http.StatusBadRequest)
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const piece = 64 << 10
		kept := make([][]byte, 16)
		for i := 0; i < mebibytes<<20/piece; i++ {
			block := make([]byte, piece)
			block[i%piece] = 1
			kept[i%len(kept)] = block
		}
		runtime.KeepAlive(kept)
		runtime.ReadMemStats(&after)
		fmt.Fprintln(w, after.NumGC-before.NumGC)
	})

	http.HandleFunc("/goroutines/", func(w http.ResponseWriter, r *http.Request) {
		count, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/goroutines/"))
		if err != nil || count < 1 {
			http.Error(w, "want /goroutines/N", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(goroutines(count))
	})

	log.Printf("go-server: listening on port %s", port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
