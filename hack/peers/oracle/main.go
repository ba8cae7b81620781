// Command oracle lets aws-iam-authenticator's own server speak: its parser of
// ConfigMaps, its mapper, its HTTP handler, in one process without AWS.
//
//	oracle map                 # questions as JSON lines on stdin, answers on stdout
//	oracle verify              # tokens in batches on stdin, what its verifier makes of them on stdout
//	oracle serve -sts URL …    # its TokenReview endpoint, over TLS on a free port
//	oracle bench               # what one decision of its mapper costs, as JSON lines
//
// It belongs to the tests and benchmarks that compare eksauth with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"unsafe"

	"github.com/sirupsen/logrus"
	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper"
	"sigs.k8s.io/aws-iam-authenticator/pkg/server"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	logrus.SetOutput(io.Discard)
	// It would look for a region in the metadata of a machine of Amazon's.
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	dir, err := os.MkdirTemp("", "eksauth-oracle-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	switch {
	case len(args) == 1 && args[0] == "map":
		return answer(os.Stdin, os.Stdout, dir)
	case len(args) == 1 && args[0] == "verify":
		return verify(os.Stdin, os.Stdout)
	case len(args) > 1 && args[0] == "serve":
		return serve(args[1:], dir)
	case len(args) == 1 && args[0] == "bench":
		return bench(os.Stdout)
	}
	return errors.New("usage: oracle map | oracle verify | oracle serve -sts URL -mappings N | oracle bench")
}

// errFatal is what ends the process where it says so itself.
var errFatal = errors.New("the server refuses to start")

// handler is the server's own handler for a configuration. What it would die of
// is errFatal. dir keeps its certificate from one call to the next.
func handler(ctx context.Context, c config.Config, dir string) (h http.Handler, err error) {
	logrus.StandardLogger().ExitFunc = func(int) { panic(errFatal) }
	defer func() {
		if v := recover(); v != nil {
			h, err = nil, errFatal
		}
	}()
	c.PartitionID, c.ClusterID = "aws", "dev"
	c.Address, c.Hostname, c.HostPort = "127.0.0.1", "127.0.0.1", 0
	c.StateDir, c.GenerateKubeconfigPath = dir, dir+"/kubeconfig"
	c.BackendMode = []string{mapper.ModeMountedFile}
	s := server.New(ctx, c)
	s.Close() // of the listener; ours is another
	// The handler is in a field that is not exported, and its own Run would
	// take a fixed port besides.
	field := reflect.ValueOf(s).Elem().FieldByName("httpServer")
	return (*http.Server)(unsafe.Pointer(field.UnsafeAddr())).Handler, nil
}
