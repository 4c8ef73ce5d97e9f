// Every call of Serf's own Go client against an agent. The stage is set by ../run.py, which tells
// where it is through the environment; each check is one line, `ok NAME` or `not ok NAME: REASON`.
package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/logutils"
	"github.com/hashicorp/serf/client"
)

const patience = 15 * time.Second

var (
	address = os.Getenv("STAGE_RPC")
	token   = os.Getenv("STAGE_TOKEN")
	peer    = os.Getenv("STAGE_PEER")
	key     = os.Getenv("STAGE_KEY")
	another = os.Getenv("STAGE_ANOTHER_KEY")
	failed  = false
)

func check(name string, action func() error) {
	if err := action(); err != nil {
		failed = true
		fmt.Printf("not ok %s: %v\n", name, err)
		return
	}
	fmt.Printf("ok %s\n", name)
}

func equal(got, wanted any) error {
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("got %#v, wanted %#v", got, wanted)
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

func connect() *client.RPCClient {
	c, err := client.ClientFromConfig(&client.Config{Addr: address, AuthKey: token})
	if err != nil {
		fmt.Printf("not ok connect: %v\n", err)
		os.Exit(1)
	}
	return c
}

func statuses(c *client.RPCClient) (map[string]string, error) {
	members, err := c.Members()
	found := map[string]string{}
	for _, member := range members {
		found[member.Name] = member.Status
	}
	return found, err
}

func sees(c *client.RPCClient, wanted map[string]string) error {
	return until(func() error {
		found, err := statuses(c)
		if err != nil {
			return err
		}
		return equal(found, wanted)
	})
}

func filtered(c *client.RPCClient, tags map[string]string, status, name string) ([]string, error) {
	members, err := c.MembersFiltered(tags, status, name)
	names := []string{}
	for _, member := range members {
		names = append(names, member.Name)
	}
	sort.Strings(names)
	return names, err
}

// record waits for the first record with these fields.
func record(ch <-chan map[string]interface{}, event, name string) (map[string]interface{}, error) {
	late := time.After(patience)
	for {
		select {
		case found, open := <-ch:
			if !open {
				return nil, errors.New("the stream was closed")
			}
			if found["Event"] == event && (name == "" || found["Name"] == name) {
				return found, nil
			}
		case <-late:
			return nil, fmt.Errorf("no record of %s %s", event, name)
		}
	}
}

// ask sends a query and gathers everything until it is done.
func ask(c *client.RPCClient, query client.QueryParam) ([]string, map[string]string, error) {
	acks, answers := make(chan string, 64), make(chan client.NodeResponse, 64)
	query.AckCh, query.RespCh = acks, answers
	if err := c.Query(&query); err != nil {
		return nil, nil, err
	}
	from, texts := []string{}, map[string]string{}
	late := time.After(patience)
	for acks != nil || answers != nil {
		select {
		case ack, open := <-acks:
			if !open {
				acks = nil
				continue
			}
			from = append(from, ack)
		case answer, open := <-answers:
			if !open {
				answers = nil
				continue
			}
			if answer.From != "" { // the real agent may send such at the deadline
				texts[answer.From] = string(answer.Payload)
			}
		case <-late:
			return from, texts, errors.New("the query was never done")
		}
	}
	sort.Strings(from)
	return from, texts, nil
}

func main() {
	connections(address)
	c := connect()
	membership(c)
	tags(c)
	streams(c)
	monitor(c)
	queries(c)
	keys(c)
	figures(c)
	departures(c)
	if failed {
		os.Exit(1)
	}
}

func connections(address string) {
	check("handshake", func() error {
		c, err := client.NewRPCClient(address)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Members(); err == nil || !strings.Contains(err.Error(), "Authentication required") {
			return fmt.Errorf("members without a token: %v", err)
		}
		return nil
	})
	check("auth-refused", func() error {
		_, err := client.ClientFromConfig(&client.Config{Addr: address, AuthKey: "wrong"})
		if err == nil || err.Error() != "Invalid authentication token" {
			return fmt.Errorf("a wrong token: %v", err)
		}
		return nil
	})
	check("close", func() error {
		c := connect()
		if c.IsClosed() {
			return errors.New("closed from the start")
		}
		if err := c.Close(); err != nil {
			return err
		}
		return equal(c.IsClosed(), true)
	})
}

func membership(c *client.RPCClient) {
	check("join-refused", func() error {
		count, err := c.Join([]string{"127.0.0.99:7946"}, false)
		if err == nil || !strings.Contains(err.Error(), "127.0.0.99:7946: connect: connection refused") {
			return fmt.Errorf("joined nobody: %d, %v", count, err)
		}
		return equal(count, 0)
	})
	check("join", func() error {
		count, err := c.Join([]string{peer}, false)
		if err != nil {
			return err
		}
		if err := equal(count, 1); err != nil {
			return err
		}
		return sees(c, map[string]string{"n1": "alive", "n2": "alive", "n3": "alive"})
	})
	check("members", func() error {
		members, err := c.Members()
		if err != nil {
			return err
		}
		for _, member := range members {
			if member.Name != "n2" {
				continue
			}
			wanted := client.Member{
				Name: "n2", Addr: member.Addr, Port: 7946, Tags: map[string]string{"role": "db"}, Status: "alive",
				ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2, DelegateMin: 2, DelegateMax: 5, DelegateCur: 5,
			}
			if err := equal(len(member.Addr), 4); err != nil {
				return err
			}
			if err := equal(member.Addr.String(), "127.0.0.12"); err != nil {
				return err
			}
			return equal(member, wanted)
		}
		return errors.New("n2 is missing")
	})
	check("members-filtered", func() error {
		for _, wanted := range []struct {
			tags         map[string]string
			status, name string
			names        []string
		}{
			{map[string]string{"role": "db"}, "", "", []string{"n2", "n3"}},
			{map[string]string{"role": "d.", "shard": "7"}, "alive", "", []string{"n3"}},
			{nil, "alive", "n[12]", []string{"n1", "n2"}},
			{nil, "failed", "", []string{}},
		} {
			names, err := filtered(c, wanted.tags, wanted.status, wanted.name)
			if err != nil {
				return err
			}
			if err := equal(names, wanted.names); err != nil {
				return err
			}
		}
		return nil
	})
}

func tags(c *client.RPCClient) {
	check("tags", func() error {
		if err := c.UpdateTags(map[string]string{"rack": "a1", "empty": ""}, []string{"dc", "unknown"}); err != nil {
			return err
		}
		return until(func() error {
			members, err := c.MembersFiltered(nil, "", "n1")
			if err != nil {
				return err
			}
			return equal(members[0].Tags, map[string]string{"role": "web", "rack": "a1", "empty": ""})
		})
	})
	check("tags-too-long", func() error {
		err := c.UpdateTags(map[string]string{"long": strings.Repeat("x", 600)}, nil)
		if err == nil || err.Error() != "Encoded length of tags exceeds limit of 512 bytes" {
			return fmt.Errorf("600 bytes: %v", err)
		}
		return nil
	})
}

func streams(c *client.RPCClient) {
	records := make(chan map[string]interface{}, 512)
	var handle client.StreamHandle
	check("stream", func() (err error) {
		handle, err = c.Stream("user,query:ask,member-update", records)
		return err
	})
	check("stream-refused", func() error {
		_, err := c.Stream("nonsense", make(chan map[string]interface{}, 1))
		if err == nil || err.Error() != "Invalid event filter" {
			return fmt.Errorf("nonsense: %v", err)
		}
		return nil
	})
	check("event", func() error {
		payload := []byte{0, 1, 0xff, 'x'}
		if err := c.UserEvent("deploy", payload, false); err != nil {
			return err
		}
		found, err := record(records, "user", "deploy")
		if err != nil {
			return err
		}
		if err := equal(found["Payload"], payload); err != nil {
			return err
		}
		return equal(found["Coalesce"], false)
	})
	check("event-without-payload", func() error {
		if err := c.UserEvent("ping", nil, true); err != nil {
			return err
		}
		found, err := record(records, "user", "ping")
		if err != nil {
			return err
		}
		return equal(found["Coalesce"], true)
	})
	check("event-too-long", func() error {
		err := c.UserEvent("deploy", make([]byte, 600), false)
		if err == nil || !strings.HasPrefix(err.Error(), "user event exceeds configured limit of 512 bytes") {
			return fmt.Errorf("600 bytes: %v", err)
		}
		return nil
	})
	check("stream-member-update", func() error {
		if err := c.UpdateTags(map[string]string{"rack": "a2"}, nil); err != nil {
			return err
		}
		found, err := record(records, "member-update", "")
		if err != nil {
			return err
		}
		members, fine := found["Members"].([]interface{})
		if !fine || len(members) != 1 {
			return fmt.Errorf("members %#v", found["Members"])
		}
		member, _ := members[0].(map[interface{}]interface{})
		return equal(member["Name"], "n1")
	})
	respond(c, records)
	check("stop-stream", func() error {
		if err := c.Stop(handle); err != nil {
			return err
		}
		if err := c.UserEvent("after", nil, false); err != nil {
			return err
		}
		for {
			select {
			case found, open := <-records:
				if open && found["Name"] == "after" {
					return errors.New("a record after the stop")
				}
				if !open {
					return nil
				}
			case <-time.After(300 * time.Millisecond):
				return nil
			}
		}
	})
}

func respond(c *client.RPCClient, records <-chan map[string]interface{}) {
	check("respond", func() error {
		asker := connect()
		defer asker.Close()
		type outcome struct {
			answers map[string]string
			err     error
		}
		done := make(chan outcome, 1)
		go func() {
			_, answers, err := ask(asker, client.QueryParam{Name: "ask", Payload: []byte("15m"), Timeout: time.Second})
			done <- outcome{answers, err}
		}()
		found, err := record(records, "query", "ask")
		if err != nil {
			return err
		}
		if err := equal(found["Payload"], []byte("15m")); err != nil {
			return err
		}
		id, err := strconv.ParseUint(fmt.Sprint(found["ID"]), 10, 64)
		if err != nil {
			return err
		}
		if err := c.Respond(id, []byte{0, 0xfe}); err != nil {
			return err
		}
		if err := c.Respond(id, []byte("again")); err == nil {
			return errors.New("a second answer was taken")
		}
		result := <-done
		if result.err != nil {
			return result.err
		}
		return equal(result.answers, map[string]string{"n1": "\x00\xfe"})
	})
	check("respond-unknown", func() error {
		err := c.Respond(4711, nil)
		if err == nil || err.Error() != "No pending queries matching ID" {
			return fmt.Errorf("unknown id: %v", err)
		}
		return nil
	})
}

func monitor(c *client.RPCClient) {
	lines := make(chan string, 1024)
	var handle client.StreamHandle
	wait := func(text string) error {
		late := time.After(patience)
		for {
			select {
			case line, open := <-lines:
				if !open {
					return errors.New("the monitor was closed")
				}
				if strings.Contains(line, text) {
					return nil
				}
			case <-late:
				return fmt.Errorf("no line with %q", text)
			}
		}
	}
	check("monitor", func() (err error) {
		if handle, err = c.Monitor(logutils.LogLevel("debug"), lines); err != nil {
			return err
		}
		if err := wait("[INFO] agent: Serf agent starting"); err != nil {
			return err
		}
		if err := c.UserEvent("watched", nil, false); err != nil {
			return err
		}
		return wait("[DEBUG] agent: Requesting user event send: watched.")
	})
	check("monitor-twice", func() error {
		_, err := c.Monitor(logutils.LogLevel("INFO"), make(chan string, 8))
		if err == nil || err.Error() != "Monitor already exists" {
			return fmt.Errorf("second monitor: %v", err)
		}
		return nil
	})
	check("stop-monitor", func() error {
		if err := c.Stop(handle); err != nil {
			return err
		}
		again := make(chan string, 1024)
		handle, err := c.Monitor(logutils.LogLevel("WARN"), again)
		if err != nil {
			return err
		}
		return c.Stop(handle)
	})
	check("monitor-refused", func() error {
		_, err := c.Monitor(logutils.LogLevel("loud"), make(chan string, 8))
		if err == nil || err.Error() != "Unknown log level: LOUD" {
			return fmt.Errorf("unknown level: %v", err)
		}
		return nil
	})
}

func queries(c *client.RPCClient) {
	for _, wanted := range []struct {
		check   string
		query   client.QueryParam
		acks    []string
		answers map[string]string
	}{
		{
			"query", client.QueryParam{Name: "load", RequestAck: true, RelayFactor: 1},
			[]string{"n1", "n2", "n3"}, map[string]string{"n2": "0.42", "n3": "0.42"},
		},
		{
			"query-nodes", client.QueryParam{Name: "load", RequestAck: true, FilterNodes: []string{"n2"}, Timeout: time.Second},
			[]string{"n2"}, map[string]string{"n2": "0.42"},
		},
		{
			"query-tags", client.QueryParam{Name: "load", RequestAck: true, FilterTags: map[string]string{"shard": "^7$"}, Timeout: time.Second},
			[]string{"n3"}, map[string]string{"n3": "0.42"},
		},
		{
			"query-without-acks", client.QueryParam{Name: "load", Timeout: time.Second},
			[]string{}, map[string]string{"n2": "0.42", "n3": "0.42"},
		},
		{
			"query-echo", client.QueryParam{Name: "echo", Payload: []byte("hello"), FilterNodes: []string{"n2"}, Timeout: time.Second},
			[]string{}, map[string]string{"n2": "hello\n"},
		},
	} {
		check(wanted.check, func() error {
			acks, answers, err := ask(c, wanted.query)
			if err != nil {
				return err
			}
			if err := equal(acks, wanted.acks); err != nil {
				return err
			}
			return equal(answers, wanted.answers)
		})
	}
	check("query-refused", func() error {
		_, _, err := ask(c, client.QueryParam{Name: "_serf_conflict"})
		if err == nil || err.Error() != "Queries cannot contain the '_serf_' prefix" {
			return fmt.Errorf("internal name: %v", err)
		}
		return nil
	})
}

func keys(c *client.RPCClient) {
	listed := func(wanted map[string]int) error {
		found, nodes, messages, err := c.ListKeys()
		if err != nil {
			return err
		}
		if len(messages) > 0 || nodes != 3 {
			return fmt.Errorf("%d nodes, messages %v", nodes, messages)
		}
		return equal(found, wanted)
	}
	check("list-keys", func() error { return listed(map[string]int{key: 3}) })
	check("install-key", func() error {
		if _, err := c.InstallKey(another); err != nil {
			return err
		}
		return listed(map[string]int{key: 3, another: 3})
	})
	check("use-key", func() error {
		_, err := c.UseKey(another)
		return err
	})
	check("remove-key", func() error {
		if _, err := c.RemoveKey(key); err != nil {
			return err
		}
		return listed(map[string]int{another: 3})
	})
	check("remove-key-refused", func() error {
		messages, err := c.RemoveKey(another)
		if err == nil || err.Error() != "3/3 nodes reported failure" {
			return fmt.Errorf("the primary key: %v", err)
		}
		return equal(messages["n2"], "Removing the primary key is not allowed")
	})
	check("install-key-refused", func() error {
		_, err := c.InstallKey("???")
		if err == nil || !strings.HasPrefix(err.Error(), "illegal base64 data at input byte 0") {
			return fmt.Errorf("no base64: %v", err)
		}
		return nil
	})
}

func figures(c *client.RPCClient) {
	check("stats", func() error {
		found, err := c.Stats()
		if err != nil {
			return err
		}
		if err := equal(found["agent"]["name"], "n1"); err != nil {
			return err
		}
		if err := equal(found["serf"]["encrypted"], "true"); err != nil {
			return err
		}
		return equal(found["serf"]["members"], "3")
	})
	check("get-coordinate", func() error {
		found, err := c.GetCoordinate("n1")
		if err != nil {
			return err
		}
		if found == nil || len(found.Vec) != 8 || found.Error <= 0 {
			return fmt.Errorf("own coordinate %v", found)
		}
		unknown, err := c.GetCoordinate("nobody")
		if err != nil || unknown != nil {
			return fmt.Errorf("of nobody: %v %v", unknown, err)
		}
		return nil
	})
}

func departures(c *client.RPCClient) {
	check("force-leave", func() error {
		victim, err := strconv.Atoi(os.Getenv("STAGE_VICTIM"))
		if err != nil {
			return err
		}
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			return err
		}
		if err := sees(c, map[string]string{"n1": "alive", "n2": "alive", "n3": "failed"}); err != nil {
			return err
		}
		if err := c.ForceLeave("n3"); err != nil {
			return err
		}
		return sees(c, map[string]string{"n1": "alive", "n2": "alive", "n3": "left"})
	})
	check("force-leave-prune", func() error {
		if err := c.ForceLeavePrune("n3"); err != nil {
			return err
		}
		return sees(c, map[string]string{"n1": "alive", "n2": "alive"})
	})
	check("force-leave-unknown", func() error { return c.ForceLeave("nobody") })
	check("leave", func() error {
		if err := c.Leave(); err != nil {
			return err
		}
		return until(func() error { return equal(c.IsClosed(), true) })
	})
}
