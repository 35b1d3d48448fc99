// SPDX-License-Identifier: MIT

// A WebSocket echo server in Go, by gorilla/websocket, on one core.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/gorilla/websocket"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "ws:", err)
		os.Exit(1)
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	upgrader := websocket.Upgrader{ReadBufferSize: 16384, WriteBufferSize: 16384}
	handler := func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	time.AfterFunc(5*time.Minute, func() { os.Exit(1) })
	fmt.Printf("port %d\n", l.Addr().(*net.TCPAddr).Port)
	check(http.Serve(l, http.HandlerFunc(handler)))
}
