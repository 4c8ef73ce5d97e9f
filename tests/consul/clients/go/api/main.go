// Consul's own Go client against a server. The stage is set by ../../run.py, which tells where it is
// through the environment; each check is one line, `ok NAME` or `not ok NAME: REASON`.
package main

import (
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/hashicorp/consul/api"
)

const patience = 15 * time.Second

var (
	client *api.Client
	failed = false
)

func check(name string, action func() error) {
	if err := action(); err != nil {
		failed = true
		fmt.Printf("not ok %s: %v\n", name, err)
		return
	}
	fmt.Printf("ok %s\n", name)
}

func equal(what string, got, wanted any) error {
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("%s: got %#v, wanted %#v", what, got, wanted)
	}
	return nil
}

// first is the first of the errors that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// until asks again until the answer is nil or patience ends.
func until(ask func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ask()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func main() {
	var err error
	client, err = api.NewClient(&api.Config{Address: os.Getenv("STAGE_HTTP")})
	if err != nil {
		panic(err)
	}
	check("kv", keys)
	check("kv-cas", compareAndSet)
	check("txn", transactions)
	check("watch", watch)
	check("lock", locks)
	check("lock-lost", lockLost)
	check("semaphore", semaphores)
	check("session", sessions)
	check("register", register)
	check("check-update", checkUpdate)
	check("health-watch", healthWatch)
	check("maintenance", maintenance)
	check("catalog", catalog)
	check("event", events)
	check("status", status)
	check("coordinates", coordinates)
	check("snapshot", snapshots)
	if failed {
		os.Exit(1)
	}
}

func keys() error {
	kv := client.KV()
	value := []byte{0, 255, '"', '\n'}
	if _, err := kv.Put(&api.KVPair{Key: "a b/ü?#", Value: value, Flags: 1 << 63}, nil); err != nil {
		return err
	}
	pair, meta, err := kv.Get("a b/ü?#", &api.QueryOptions{RequireConsistent: true})
	if err != nil || pair == nil {
		return fmt.Errorf("got %v, %v", pair, err)
	}
	missing, _, err := kv.Get("nothing", nil)
	if err != nil || missing != nil {
		return fmt.Errorf("what is not there: %v, %v", missing, err)
	}
	if _, err := kv.Put(&api.KVPair{Key: "a b/c/d"}, nil); err != nil {
		return err
	}
	names, _, err := kv.Keys("a b/", "/", nil)
	if err != nil {
		return err
	}
	pairs, _, err := kv.List("a b", nil)
	if err != nil {
		return err
	}
	if _, err := kv.DeleteTree("a b", nil); err != nil {
		return err
	}
	left, _, err := kv.List("a b", nil)
	return first(
		err,
		equal("value", pair.Value, value),
		equal("flags", pair.Flags, uint64(1<<63)),
		equal("leader known", meta.KnownLeader, true),
		equal("keys", names, []string{"a b/c/", "a b/ü?#"}),
		equal("pairs", len(pairs), 2),
		equal("left", len(left), 0),
	)
}

func compareAndSet() error {
	kv := client.KV()
	made, _, err := kv.CAS(&api.KVPair{Key: "counter", Value: []byte("1")}, nil)
	if err != nil {
		return err
	}
	again, _, err := kv.CAS(&api.KVPair{Key: "counter", Value: []byte("2")}, nil)
	if err != nil {
		return err
	}
	pair, _, err := kv.Get("counter", nil)
	if err != nil {
		return err
	}
	pair.Value = []byte("2")
	changed, _, err := kv.CAS(pair, nil)
	if err != nil {
		return err
	}
	stale, _, err := kv.DeleteCAS(pair, nil)
	return first(err, equal("made, again, changed, stale", []bool{made, again, changed, stale}, []bool{true, false, true, false}))
}

func transactions() error {
	verbs := func(key string) api.TxnOps {
		return api.TxnOps{
			{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "txn", Value: []byte(key)}},
			{KV: &api.KVTxnOp{Verb: api.KVCheckNotExists, Key: key}},
			{KV: &api.KVTxnOp{Verb: api.KVGet, Key: "txn"}},
		}
	}
	done, answer, _, err := client.Txn().Txn(verbs("free"), nil)
	if err != nil || !done {
		return fmt.Errorf("done %v: %v, %v", done, answer, err)
	}
	undone, refused, _, err := client.Txn().Txn(verbs("txn"), nil)
	if err != nil {
		return err
	}
	pair, _, err := client.KV().Get("txn", nil)
	if err != nil || pair == nil {
		return fmt.Errorf("got %v, %v", pair, err)
	}
	return first(
		equal("results", len(answer.Results), 2),
		equal("read back", string(answer.Results[1].KV.Value), "free"),
		equal("undone", undone, false),
		equal("errors", len(refused.Errors), 1),
		equal("value", string(pair.Value), "free"),
	)
}

func watch() error {
	kv := client.KV()
	if _, err := kv.Put(&api.KVPair{Key: "watched", Value: []byte("before")}, nil); err != nil {
		return err
	}
	_, meta, err := kv.Get("watched", nil)
	if err != nil {
		return err
	}
	type seen struct {
		pair *api.KVPair
		meta *api.QueryMeta
		err  error
	}
	answers := make(chan seen, 1)
	go func() {
		pair, after, err := kv.Get("watched", &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Minute})
		answers <- seen{pair, after, err}
	}()
	if _, err := kv.Put(&api.KVPair{Key: "watched/not", Value: []byte("x")}, nil); err != nil {
		return err
	}
	select {
	case early := <-answers:
		return fmt.Errorf("woken by another key: %v", early)
	case <-time.After(300 * time.Millisecond):
	}
	if _, err := kv.Put(&api.KVPair{Key: "watched", Value: []byte("after")}, nil); err != nil {
		return err
	}
	select {
	case answer := <-answers:
		if answer.err != nil {
			return answer.err
		}
		return first(
			equal("value", string(answer.pair.Value), "after"),
			equal("index grew", answer.meta.LastIndex > meta.LastIndex, true),
		)
	case <-time.After(patience):
		return fmt.Errorf("not woken")
	}
}
