package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// result is the same for every order in which goroutines run.
type result struct {
	Digest   string `json:"digest"`   // of what went through the channels
	Counted  int64  `json:"counted"`  // by an atomic
	Locked   int    `json:"locked"`   // below a lock
	Kept     bool   `json:"kept"`     // whether memory held what was written to it
	TimedOut int64  `json:"timedOut"` // timers that fired
}

// goroutines starts count of them, each of which takes a number, works on it, and passes it on.
func goroutines(count int) result {
	var (
		workers  sync.WaitGroup
		lock     sync.RWMutex
		counted  atomic.Int64
		timedOut atomic.Int64
		broken   atomic.Bool
	)
	table := make(map[int][]byte)
	numbers := make(chan int)
	sums := make(chan [sha256.Size]byte, 4)
	for range count {
		workers.Add(1)
		go func() {
			defer workers.Done()
			number := <-numbers
			block := bytes.Repeat([]byte{byte(number)}, 16<<10)
			select {
			case <-time.After(time.Duration(number%5) * time.Millisecond):
				timedOut.Add(1)
			case <-time.After(time.Minute):
			}
			runtime.Gosched()
			for range 100 {
				counted.Add(1)
			}
			lock.Lock()
			table[number] = block
			lock.Unlock()
			if number%50 == 0 {
				runtime.GC()
			}
			lock.RLock()
			broken.CompareAndSwap(false, !bytes.Equal(table[number], bytes.Repeat([]byte{byte(number)}, 16<<10)))
			lock.RUnlock()
			sums <- sha256.Sum256(block)
		}()
	}
	go func() {
		for number := range count {
			numbers <- number
		}
		workers.Wait()
		close(sums)
	}()
	var digest [sha256.Size]byte
	for sum := range sums {
		for i := range digest {
			digest[i] ^= sum[i] // in any order
		}
	}
	return result{hex.EncodeToString(digest[:]), counted.Load(), len(table), !broken.Load(), timedOut.Load()}
}
