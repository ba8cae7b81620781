package controlplane

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/eksauth/eksauth/internal/atomicfile"
)

// The API server listens here, and on no other address.
const loopback = "127.0.0.1"

// choosePort returns the port of the run before, which the file at path holds,
// if it is free now: kubeconfigs written then work again. Otherwise any free one.
// Another process may still take the port before the API server does.
func choosePort(path string) (int, error) {
	if data, err := os.ReadFile(path); err == nil {
		port, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err == nil && port > 0 && isFree(port) {
			return port, nil
		}
	}
	return freePort()
}

func rememberPort(path string, port int) error {
	return atomicfile.Write(path, []byte(strconv.Itoa(port)+"\n"), 0o600)
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", address(0))
	if err != nil {
		return 0, fmt.Errorf("no free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
