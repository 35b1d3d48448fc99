// SPDX-License-Identifier: MIT

// The Go peer, one question a run, on one core; what tasks tell each other, on PROCS.
//
//	peer yield N | spawn N | timer PENDING N | sleepers N SECONDS | echo | http | each N
//	peer fetch PORT CONNECTIONS WARM COUNT
//	peer rendezvous N PROCS | stream N PROCS | select N PROCS | mutex N PROCS
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// CPU time of all threads of this process.
func cpuNs() float64 {
	var ru syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &ru))
	return float64(ru.Utime.Nano() + ru.Stime.Nano())
}

func statusBytes(name string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	check(err)
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			check(err)
			return kb * 1024
		}
	}
	return 0
}

// Two goroutines in turn; each switch counts.
func yield(n int) {
	var wg sync.WaitGroup
	began := cpuNs()
	wg.Add(2)
	for range 2 {
		go func() {
			for range n / 2 {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	fmt.Printf("ns %.4f\n", (cpuNs()-began)/float64(n))
}

// One goroutine at a time: start it, wait for its end.
func spawn(n int) {
	var wg sync.WaitGroup
	began := cpuNs()
	for range n {
		wg.Add(1)
		go func() { wg.Done() }()
		wg.Wait()
	}
	fmt.Printf("ns %.4f\n", (cpuNs()-began)/float64(n))
}

func randomWait(r *rand.Rand) time.Duration {
	return time.Minute + time.Duration(r.Int63n(int64(time.Minute)))
}

func timer(pending, n int) {
	r := rand.New(rand.NewSource(1))
	timers := make([]*time.Timer, pending)
	for i := range timers {
		timers[i] = time.AfterFunc(randomWait(r), func() { panic("a timer rang") })
	}
	began := cpuNs()
	for range n {
		t := timers[r.Intn(pending)]
		t.Stop()
		t.Reset(randomWait(r))
	}
	fmt.Printf("ns %.4f\n", (cpuNs()-began)/float64(n))
}

// All asleep at once: nobody may have woken when the last one falls asleep.
func sleepers(n int, d time.Duration) {
	var wg sync.WaitGroup
	var asleep, awake atomic.Int64
	began := time.Now()
	for range n {
		wg.Add(1)
		go func() {
			asleep.Add(1)
			time.Sleep(d)
			awake.Add(1)
			wg.Done()
		}()
	}
	for asleep.Load() < int64(n) {
		runtime.Gosched()
	}
	early := awake.Load()
	tables := statusBytes("VmPTE")
	fmt.Printf("start_s %.4f\n", time.Since(began).Seconds())
	wg.Wait()
	fmt.Printf("woke_early %d\n", early)
	fmt.Printf("bytes %.4f\n", (statusBytes("VmHWM")+max(tables, statusBytes("VmPTE")))/float64(n))
	fmt.Printf("cpu_s %.4f\n", cpuNs()/1e9)
}

func serve(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func echo() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	time.AfterFunc(5*time.Minute, func() { os.Exit(1) })
	fmt.Printf("port %d\n", l.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := l.Accept()
		check(err)
		go serve(conn)
	}
}

func serveHTTP() {
	http.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
		body, err := json.Marshal(struct {
			Message string `json:"message"`
		}{"Hello, World!"})
		check(err)
		w.Header().Set("Server", "bench")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})
	text := []byte("Hello, World!")
	http.HandleFunc("/plaintext", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "bench")
		w.Header().Set("Content-Type", "text/plain")
		w.Write(text)
	})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	time.AfterFunc(5*time.Minute, func() { os.Exit(1) })
	fmt.Printf("port %d\n", l.Addr().(*net.TCPAddr).Port)
	check(http.Serve(l, nil))
}

// So many requests are in flight at all times, as bench/client.h has it.
func fetch(port, connections, warm, count int) {
	url := fmt.Sprintf("http://127.0.0.1:%d/json", port)
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: connections,
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	var took []time.Duration
	var began time.Time
	var cpu float64
	answers := -warm
	done := make(chan time.Time)
	for range connections {
		go func() {
			for {
				asked := time.Now()
				resp, err := client.Get(url)
				check(err)
				body, err := io.ReadAll(resp.Body)
				check(err)
				resp.Body.Close()
				if resp.StatusCode != 200 || string(body) != `{"message":"Hello, World!"}` {
					check(errors.New("an answer is not what was asked for"))
				}
				now := time.Now()
				if answers >= 0 {
					took = append(took, now.Sub(asked))
				}
				if answers++; answers == 0 {
					began, cpu = now, cpuNs()
				}
				if answers == count {
					done <- now
				}
			}
		}()
	}
	seconds := (<-done).Sub(began).Seconds()
	cpu = cpuNs() - cpu
	took = took[:count]
	slices.Sort(took)
	fmt.Printf("requests %d\n", count)
	fmt.Printf("cpu_us %.4f\n", cpu/1000/float64(count))
	fmt.Printf("requests_per_s %.4f\n", float64(count)/seconds)
	fmt.Printf("p50_us %.4f\n", float64(took[count/2].Nanoseconds())/1000)
	fmt.Printf("p99_us %.4f\n", float64(took[count*99/100].Nanoseconds())/1000)
}

// CPU time; but with several procs real time, as they are all at it at once.
func clock(procs int) float64 {
	if procs > 1 {
		return float64(time.Since(start))
	}
	return cpuNs()
}

var start = time.Now()

func rendezvous(n, procs int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for v := range there {
			back <- v
		}
	}()
	began := clock(procs)
	for i := range n {
		there <- i
		<-back
	}
	fmt.Printf("ns %.4f\n", (clock(procs)-began)/float64(n))
}

func stream(n, procs int) {
	c := make(chan int, 128)
	began := clock(procs)
	go func() {
		for i := range n {
			c <- i
		}
	}()
	sum := 0
	for range n {
		sum += <-c
	}
	fmt.Printf("ns %.4f\n", (clock(procs)-began)/float64(n))
	if sum != n*(n-1)/2 {
		panic("a value was lost")
	}
}

func selectOf4(n, procs int) {
	var c [4]chan int
	for i := range c {
		c[i] = make(chan int)
	}
	n = n / 4 * 4
	for i := range c {
		go func() {
			for v := range n / 4 {
				c[i] <- v
			}
		}()
	}
	began := clock(procs)
	for range n {
		select {
		case <-c[0]:
		case <-c[1]:
		case <-c[2]:
		case <-c[3]:
		}
	}
	fmt.Printf("ns %.4f\n", (clock(procs)-began)/float64(n))
}

// Two lock in turn, and each lets the other one come to wait.
func mutex(n, procs int) {
	var m sync.Mutex
	var wg sync.WaitGroup
	began := clock(procs)
	wg.Add(2)
	for range 2 {
		go func() {
			for range n / 2 {
				m.Lock()
				runtime.Gosched()
				m.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	fmt.Printf("ns %.4f\n", (clock(procs)-began)/float64(n))
}

// A thousand items by eight goroutines, which yield once for each.
func each(n int) {
	sum := 0
	began := cpuNs()
	for done := 0; done < n; done += 1000 {
		var wg sync.WaitGroup
		var next atomic.Int64
		wg.Add(8)
		for range 8 {
			go func() {
				for next.Add(1) <= 1000 {
					runtime.Gosched()
					sum++
				}
				wg.Done()
			}()
		}
		wg.Wait()
	}
	fmt.Printf("ns %.4f\n", (cpuNs()-began)/float64(sum))
}

func arg(i int) int {
	if i >= len(os.Args) {
		fmt.Fprintln(os.Stderr, "usage: peer yield|spawn|each N | timer PENDING N | sleepers N SECONDS | echo | fetch PORT CONNECTIONS WARM COUNT | rendezvous|stream|select|mutex N PROCS")
		os.Exit(2)
	}
	n, err := strconv.Atoi(os.Args[i])
	check(err)
	return n
}

func main() {
	runtime.GOMAXPROCS(1)
	question := ""
	if len(os.Args) > 1 {
		question = os.Args[1]
	}
	switch question {
	case "yield":
		yield(arg(2))
	case "spawn":
		spawn(arg(2))
	case "timer":
		timer(arg(2), arg(3))
	case "sleepers":
		sleepers(arg(2), time.Duration(arg(3))*time.Second)
	case "echo":
		echo()
	case "http":
		serveHTTP()
	case "fetch":
		fetch(arg(2), arg(3), arg(4), arg(5))
	case "each":
		each(arg(2))
	case "rendezvous", "stream", "select", "mutex":
		ask := map[string]func(n, procs int){
			"rendezvous": rendezvous, "stream": stream, "select": selectOf4, "mutex": mutex,
		}[question]
		runtime.GOMAXPROCS(arg(3))
		ask(arg(2), arg(3))
	default:
		arg(len(os.Args))
	}
}
