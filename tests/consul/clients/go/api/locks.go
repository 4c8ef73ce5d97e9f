package main

import (
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

// The stage lets sessions be this short.
const ttl = "1s"

func newLock(key string) (*api.Lock, error) {
	return client.LockOpts(&api.LockOptions{
		Key: key, Value: []byte("held"), SessionTTL: ttl, LockTryOnce: true, LockWaitTime: 200 * time.Millisecond,
		LockDelay: time.Millisecond,
	})
}

// locks holds one for longer than its session lives without renewal.
func locks() error {
	mine, err := newLock("locks/one")
	if err != nil {
		return err
	}
	other, err := newLock("locks/one")
	if err != nil {
		return err
	}
	lost, err := mine.Lock(nil)
	if err != nil || lost == nil {
		return fmt.Errorf("not locked: %v", err)
	}
	if held, err := other.Lock(nil); err != nil || held != nil {
		return fmt.Errorf("locked twice: %v", err)
	}
	select {
	case <-lost:
		return fmt.Errorf("the lock was lost though its session was renewed")
	case <-time.After(4 * time.Second):
	}
	if err := mine.Unlock(); err != nil {
		return err
	}
	if held, err := other.Lock(nil); err != nil || held == nil {
		return fmt.Errorf("not to be had after it was let go: %v", err)
	}
	if err := mine.Destroy(); err != api.ErrLockInUse {
		return fmt.Errorf("a held lock was destroyed: %v", err)
	}
	if err := other.Unlock(); err != nil {
		return err
	}
	if err := other.Destroy(); err != nil {
		return err
	}
	pair, _, err := client.KV().Get("locks/one", nil)
	return first(err, equal("left", pair, (*api.KVPair)(nil)))
}

// lockLost destroys the session behind a holder's back.
func lockLost() error {
	lock, err := newLock("locks/two")
	if err != nil {
		return err
	}
	lost, err := lock.Lock(nil)
	if err != nil || lost == nil {
		return fmt.Errorf("not locked: %v", err)
	}
	pair, _, err := client.KV().Get("locks/two", nil)
	if err != nil || pair == nil || pair.Session == "" {
		return fmt.Errorf("nobody holds %v: %v", pair, err)
	}
	if _, err := client.Session().Destroy(pair.Session, nil); err != nil {
		return err
	}
	select {
	case <-lost:
	case <-time.After(patience):
		return fmt.Errorf("the holder does not notice")
	}
	if err := lock.Unlock(); err != nil {
		return err
	}
	_, err = client.KV().Delete("locks/two", nil)
	return err
}

func semaphores() error {
	slots := func() (*api.Semaphore, error) {
		return client.SemaphoreOpts(&api.SemaphoreOptions{
			Prefix: "slots", Limit: 2, SessionTTL: ttl, SemaphoreTryOnce: true, SemaphoreWaitTime: 200 * time.Millisecond,
		})
	}
	holders := make([]*api.Semaphore, 3)
	for number := range holders {
		holder, err := slots()
		if err != nil {
			return err
		}
		holders[number] = holder
		held, err := holder.Acquire(nil)
		if err != nil {
			return err
		}
		if err := equal(fmt.Sprintf("slot %d", number), held != nil, number < 2); err != nil {
			return err
		}
	}
	if err := holders[0].Release(); err != nil {
		return err
	}
	if held, err := holders[2].Acquire(nil); err != nil || held == nil {
		return fmt.Errorf("a free slot is not to be had: %v", err)
	}
	return first(holders[1].Release(), holders[2].Release())
}

// sessions checks that one which is not renewed ends with its time, and takes its key along.
func sessions() error {
	entry := &api.SessionEntry{Name: "short", TTL: ttl, Behavior: api.SessionBehaviorDelete, LockDelay: time.Millisecond}
	id, _, err := client.Session().Create(entry, nil)
	if err != nil {
		return err
	}
	held, _, err := client.KV().Acquire(&api.KVPair{Key: "short", Session: id}, nil)
	if err != nil || !held {
		return fmt.Errorf("not acquired: %v", err)
	}
	stop := make(chan struct{})
	renewing := make(chan error, 1)
	go func() { renewing <- client.Session().RenewPeriodic(ttl, id, nil, stop) }()
	time.Sleep(3 * time.Second)
	info, _, err := client.Session().Info(id, nil)
	if err != nil || info == nil {
		return fmt.Errorf("gone though it was renewed: %v", err)
	}
	listed, _, err := client.Session().List(nil)
	if err != nil {
		return err
	}
	close(stop) // which destroys it
	if err := <-renewing; err != nil {
		return err
	}
	unrenewed, _, err := client.Session().Create(entry, nil)
	if err != nil {
		return err
	}
	gone := until(func() error {
		info, _, err := client.Session().Info(unrenewed, nil)
		return first(err, equal("session", info, (*api.SessionEntry)(nil)))
	})
	key := until(func() error {
		pair, _, err := client.KV().Get("short", nil)
		return first(err, equal("key", pair, (*api.KVPair)(nil)))
	})
	return first(gone, key, equal("listed", len(listed) > 0, true), equal("name", info.Name, "short"))
}
