package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"
	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
)

// serve answers TokenReviews with the certificate of the caller's, whatever STS
// a token names being the one at -sts.
func serve(args []string, dir string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	sts := flags.String("sts", "", "URL of the STS to ask instead of AWS's")
	cert := flags.String("cert", "", "certificate, PEM")
	key := flags.String("key", "", "its key, PEM")
	mappings := flags.Int("mappings", 1, "how many users are mapped")
	idle := flags.Int("idle", http.DefaultMaxIdleConnsPerHost, "how many connections to STS are kept; its own program keeps the default")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	to, err := url.Parse(*sts)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = *idle
	transport.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, to.Host)
	}
	http.DefaultTransport = transport
	var c config.Config
	for i := range *mappings {
		name := "user-" + strconv.Itoa(i)
		c.UserMappings = append(c.UserMappings, config.UserMapping{UserARN: "arn:aws:iam::111122223333:user/" + name, Username: name, Groups: []string{"team"}})
	}
	logrus.SetOutput(os.Stderr) // as its own program does: a log costs something
	h, err := handler(context.Background(), c, dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("serving https://%s/authenticate\nready\n", listener.Addr())
	server := &http.Server{Handler: h}
	return server.Serve(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}))
}
