package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

func main() {
	address, folder, name := os.Args[1], os.Args[2], os.Args[3]
	authority, _ := os.ReadFile(folder + "/ca.crt")
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authority)
	if name != "nobody" {
		certificate, err := tls.LoadX509KeyPair(folder+"/"+name+".crt", folder+"/"+name+".key")
		if err != nil {
			panic(err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
	lines := make([]string, 8)
	var all sync.WaitGroup
	for number := range lines {
		all.Add(1)
		go func(number int) {
			defer all.Done()
			response, err := client.Post(address+"/", "text/plain", strings.NewReader(strings.Repeat("x", number*50000)))
			if err != nil {
				lines[number] = err.Error()
				return
			}
			body, _ := io.ReadAll(response.Body)
			lines[number] = fmt.Sprint(response.Proto, " ", response.StatusCode, " ", len(body) > 0)
		}(number)
	}
	all.Wait()
	fmt.Println(strings.Join(lines, "\n"))
}
