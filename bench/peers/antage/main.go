// The peer `antage`: the Go library antage/eventsource with its own settings. GET /stream subscribes, POST /publish
// sends the body to everybody. The only argument is the address to listen on.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"

	"gopkg.in/antage/eventsource.v1"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: antage ADDRESS:PORT")
	}
	events := eventsource.New(nil, nil)
	defer events.Close()
	var id atomic.Uint64

	http.Handle("/stream", events)
	http.HandleFunc("/publish", func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		events.SendEventMessage(string(data), "", strconv.FormatUint(id.Add(1), 10))
		w.WriteHeader(http.StatusNoContent)
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
