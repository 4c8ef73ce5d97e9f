package main

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/consul/api"
)

func register() error {
	agent := client.Agent()
	err := agent.ServiceRegister(&api.AgentServiceRegistration{
		ID: "web-1", Name: "web", Tags: []string{"blue"}, Port: 8080, Address: "127.0.0.9",
		Meta:    map[string]string{"version": "1"},
		Weights: &api.AgentWeights{Passing: 5, Warning: 2},
		Check:   &api.AgentServiceCheck{CheckID: "web-alive", TTL: "1h", Status: api.HealthPassing},
	})
	if err != nil {
		return err
	}
	local, _, err := agent.Service("web-1", nil)
	if err != nil {
		return err
	}
	if err := first(equal("port", local.Port, 8080), equal("weights", local.Weights.Passing, 5)); err != nil {
		return err
	}
	filtered, err := agent.ServicesWithFilter(`"blue" in Tags and Meta.version == "1"`)
	if err != nil {
		return err
	}
	if err := equal("filtered", len(filtered), 1); err != nil {
		return err
	}
	return until(func() error {
		found, _, err := client.Health().Service("web", "blue", true, nil)
		if err != nil {
			return err
		}
		if len(found) != 1 {
			return fmt.Errorf("%d instances", len(found))
		}
		return first(
			equal("address", found[0].Service.Address, "127.0.0.9"),
			equal("meta", found[0].Service.Meta, map[string]string{"version": "1"}),
			equal("checks", found[0].Checks.AggregatedStatus(), api.HealthPassing),
		)
	})
}

func checkUpdate() error {
	agent := client.Agent()
	for _, status := range []string{api.HealthWarning, api.HealthCritical, api.HealthPassing} {
		if err := agent.UpdateTTL("web-alive", "it is "+status, status); err != nil {
			return err
		}
		checks, err := agent.Checks()
		if err != nil {
			return err
		}
		if err := first(equal("status", checks["web-alive"].Status, status), equal("output", checks["web-alive"].Output, "it is "+status)); err != nil {
			return err
		}
		worst, _, err := agent.AgentHealthServiceByID("web-1")
		if err != nil {
			return err
		}
		seen := until(func() error {
			found, _, err := client.Health().Checks("web", nil)
			if err != nil || len(found) != 1 {
				return fmt.Errorf("%d checks, %v", len(found), err)
			}
			return equal("in the catalogue", found[0].Status, status)
		})
		if err := first(equal("aggregated", worst, status), seen); err != nil {
			return err
		}
	}
	return nil
}

// healthWatch blocks on the healthy instances of a service, as load balancers do.
func healthWatch() error {
	found, meta, err := client.Health().Service("web", "", true, nil)
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%d instances, %v", len(found), err)
	}
	if err := client.Agent().UpdateTTL("web-alive", "", api.HealthCritical); err != nil {
		return err
	}
	began := time.Now()
	found, after, err := client.Health().Service("web", "", true, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Minute})
	if err != nil {
		return err
	}
	if err := client.Agent().UpdateTTL("web-alive", "", api.HealthPassing); err != nil {
		return err
	}
	return first(
		equal("instances", len(found), 0),
		equal("index grew", after.LastIndex > meta.LastIndex, true),
		equal("woken in time", time.Since(began) < patience, true),
	)
}

func maintenance() error {
	agent := client.Agent()
	if err := agent.EnableServiceMaintenance("web-1", "moving"); err != nil {
		return err
	}
	status, _, err := agent.AgentHealthServiceByName("web")
	if err != nil {
		return err
	}
	if err := agent.DisableServiceMaintenance("web-1"); err != nil {
		return err
	}
	if err := agent.ServiceDeregister("web-1"); err != nil {
		return err
	}
	gone := until(func() error {
		services, _, err := client.Catalog().Services(nil)
		_, there := services["web"]
		return first(err, equal("web is there", there, false))
	})
	return first(gone, equal("status", status, api.HealthCritical))
}

func catalog() error {
	_, err := client.Catalog().Register(&api.CatalogRegistration{
		Node: "outside", Address: "127.0.0.20", NodeMeta: map[string]string{"external": "yes"},
		Service: &api.AgentService{ID: "db", Service: "db", Port: 5432, Tags: []string{"primary"}},
		Checks:  api.HealthChecks{{CheckID: "db-up", Name: "up", ServiceID: "db", Status: api.HealthPassing}},
	}, nil)
	if err != nil {
		return err
	}
	nodes, _, err := client.Catalog().Nodes(&api.QueryOptions{NodeMeta: map[string]string{"external": "yes"}})
	if err != nil {
		return err
	}
	services, _, err := client.Catalog().Service("db", "primary", nil)
	if err != nil {
		return err
	}
	node, _, err := client.Catalog().Node("outside", nil)
	if err != nil {
		return err
	}
	state, _, err := client.Health().State(api.HealthPassing, &api.QueryOptions{Filter: `Node == "outside"`})
	if err != nil {
		return err
	}
	if _, err := client.Catalog().Deregister(&api.CatalogDeregistration{Node: "outside"}, nil); err != nil {
		return err
	}
	gone, _, err := client.Catalog().Node("outside", nil)
	return first(
		err,
		equal("nodes", len(nodes), 1),
		equal("services", len(services), 1),
		equal("port", services[0].ServicePort, 5432),
		equal("of the node", len(node.Services), 1),
		equal("checks", len(state), 1),
		equal("gone", gone, (*api.CatalogNode)(nil)),
	)
}

func events() error {
	id, _, err := client.Event().Fire(&api.UserEvent{Name: "deploy", Payload: []byte("42")}, nil)
	if err != nil {
		return err
	}
	return until(func() error {
		list, meta, err := client.Event().List("deploy", nil)
		if err != nil || len(list) != 1 {
			return fmt.Errorf("%d events, %v", len(list), err)
		}
		return first(
			equal("id", list[0].ID, id),
			equal("payload", string(list[0].Payload), "42"),
			equal("index", meta.LastIndex, client.Event().IDToIndex(id)),
		)
	})
}

func status() error {
	leader, err := client.Status().Leader()
	if err != nil {
		return err
	}
	peers, err := client.Status().Peers()
	if err != nil {
		return err
	}
	self, err := client.Agent().NodeName()
	if err != nil {
		return err
	}
	members, err := client.Agent().Members(false)
	if err != nil {
		return err
	}
	raft, err := client.Operator().RaftGetConfiguration(nil)
	if err != nil {
		return err
	}
	return first(
		equal("peers", peers, []string{leader}),
		equal("members", len(members), 1),
		equal("name", members[0].Name, self),
		equal("servers", len(raft.Servers), 1),
		equal("leads", raft.Servers[0].Leader, true),
	)
}

func coordinates() error {
	datacenters, err := client.Coordinate().Datacenters()
	if err != nil {
		return err
	}
	_, _, err = client.Coordinate().Nodes(nil)
	return first(err, equal("datacentres", len(datacenters), 1))
}

// snapshots takes an archive, writes more, and restores: what was written since is gone.
func snapshots() error {
	kv := client.KV()
	if _, err := kv.Put(&api.KVPair{Key: "saved", Value: []byte("before")}, nil); err != nil {
		return err
	}
	archive, _, err := client.Snapshot().Save(nil)
	if err != nil {
		return err
	}
	saved, err := io.ReadAll(archive)
	if err := first(err, archive.Close()); err != nil {
		return err
	}
	if _, err := kv.Put(&api.KVPair{Key: "saved", Value: []byte("after")}, nil); err != nil {
		return err
	}
	if err := client.Snapshot().Restore(nil, bytes.NewReader(saved)); err != nil {
		return err
	}
	pair, _, err := kv.Get("saved", nil)
	if err != nil || pair == nil {
		return fmt.Errorf("got %v, %v", pair, err)
	}
	return equal("value", string(pair.Value), "before")
}
