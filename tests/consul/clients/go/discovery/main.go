// Prometheus' discovery of services in a Consul, printing each change of its target groups as one line
// of JSON: the source, and address and service of each target. It runs until its input ends.
package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/consul"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

type group struct {
	Source  string   `json:"source"`
	Targets []string `json:"targets"`
}

func main() {
	config := consul.DefaultSDConfig
	config.Server = os.Getenv("STAGE_HTTP")
	// The least pause between two questions; with blocking queries a change is seen when it happens.
	config.RefreshInterval = model.Duration(100 * time.Millisecond)

	found, err := consul.NewDiscovery(&config, log.NewLogfmtLogger(os.Stderr))
	if err != nil {
		panic(err)
	}

	ctx, stop := context.WithCancel(context.Background())
	updates := make(chan []*targetgroup.Group)
	go found.Run(ctx, updates)
	go print(updates)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		panic(err)
	}
	stop()
}

func print(updates <-chan []*targetgroup.Group) {
	lines := json.NewEncoder(os.Stdout)
	for groups := range updates {
		for _, shown := range groups {
			line := group{Source: shown.Source, Targets: []string{}}
			for _, target := range shown.Targets {
				line.Targets = append(line.Targets, string(target[model.AddressLabel]))
			}
			if err := lines.Encode(line); err != nil {
				panic(err)
			}
		}
	}
}
