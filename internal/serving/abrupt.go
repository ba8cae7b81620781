package serving

import "net"

// resetting makes the kernel reset connections if this process is killed, where it
// would end them in order: kube-apiserver asks again about a token when a connection
// was reset, and not when it ended in the middle of an answer (k8s.io/apiserver
// v0.37.2, pkg/util/webhook).
type resetting struct{ net.Listener }

func (l resetting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok || tcp.SetLinger(0) != nil {
		return conn, nil
	}
	return resettingConn{tcp}, nil
}

type resettingConn struct{ *net.TCPConn }

// Close sends what is still to be sent.
func (c resettingConn) Close() error {
	c.SetLinger(-1) // if it fails, so will Close
	return c.TCPConn.Close()
}
